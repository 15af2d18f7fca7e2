"""The topics that fulltape publishes to: what they hold, and who reads them."""

from __future__ import annotations

from typing import Annotated, Any, Final

import msgspec
from litestar import Response, get
from litestar.di import NamedDependency
from litestar.openapi.datastructures import ResponseSpec
from litestar.params import PathParameter, QueryParameter

from fulltape.api.problems import problem_answers
from fulltape.api.services import Services, json_response
from fulltape.api.wire import TimeText, encode
from fulltape.bus.topics import Group, Message, Topic
from fulltape.clock import format_rfc3339

_LIMIT: Final = 20


class TopicList(msgspec.Struct, frozen=True):
    """Topics and who reads them; ``servers`` is where the brokers are."""

    simulated: bool
    servers: tuple[str, ...]
    topics: tuple[Topic, ...]
    groups: tuple[Group, ...]


class MessageAnswer(msgspec.Struct, frozen=True):
    """A message; ``value`` is the record, ``time`` when it was sent."""

    partition: int
    offset: int
    time: TimeText
    key: str
    headers: dict[str, str]
    value: Any


class MessageList(msgspec.Struct, frozen=True):
    """The newest messages of a topic, newest first."""

    simulated: bool
    topic: str
    messages: list[MessageAnswer]


_LIST = {
    200: ResponseSpec(TopicList, generate_examples=False, description="Topics by name, groups by name."),
    **problem_answers(400, 503),
}
_MESSAGES = {
    200: ResponseSpec(MessageList, generate_examples=False, description="At most so many as asked for."),
    **problem_answers(400, 404, 503),
}


@get("/topics", responses=_LIST, summary="Topics in Kafka and their readers", tags=["topics"])
async def topics(services: NamedDependency[Services]) -> Response[bytes]:
    """Return the topics that fulltape publishes to, partition by partition, and the consumer groups that read them.

    Offsets from ``start`` to before ``end`` are there; ends of transactions take some, so there are fewer messages.
    """
    found = await services.watching.overview()
    servers = services.watching.topics().servers
    return json_response(encode(TopicList(services.simulated, servers, found.topics, found.groups)))


@get("/topics/{topic:str}/messages", responses=_MESSAGES, summary="Newest messages of a topic", tags=["topics"])
async def messages(
    services: NamedDependency[Services],
    topic: Annotated[str, PathParameter(min_length=1, max_length=249, description="One that `/topics` names.")],
    limit: Annotated[int, QueryParameter(ge=1, le=200, description="How many at most.")] = _LIMIT,
) -> Response[bytes]:
    """Return the newest messages whose transaction was committed."""
    found = await services.watching.newest(topic, limit)
    return json_response(encode(MessageList(services.simulated, topic, [_answer(one) for one in found])))


def _answer(message: Message) -> MessageAnswer:
    time = format_rfc3339(message.time)
    return MessageAnswer(message.partition, message.offset, time, message.key, message.headers, message.value)
