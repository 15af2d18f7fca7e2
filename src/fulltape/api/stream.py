"""The WebSocket ``/api/v1/stream``: subscriptions in; snapshots, commits and status out."""

from __future__ import annotations

import asyncio
from typing import Any

import msgspec
from litestar import WebSocket, websocket
from litestar.di import NamedDependency
from litestar.exceptions import HTTPException, WebSocketDisconnect

from fulltape.api.access import STREAM_PROTOCOL, Grant
from fulltape.api.client import Client
from fulltape.api.messages import CommitMessage, notice_text
from fulltape.api.services import Services
from fulltape.api.snapshots import Caught, StreamReader
from fulltape.api.subscription import Subscribe, Wants, decode_request, refusal_of, resolve
from fulltape.errors import ConfigError, FulltapeError
from fulltape.records import Commit

TOO_SLOW = 4008
"""Close code for a client that does not read fast enough."""
REVOKED = 4001
"""Close code for a client whose token has been revoked."""
TRY_LATER = 1013
"""Close code when there are too many clients."""


@websocket("/stream")
async def stream(socket: WebSocket[Any, Any, Any], services: NamedDependency[Services]) -> None:
    """Serve one client until it leaves or falls behind."""
    hub = services.hub
    await socket.accept(STREAM_PROTOCOL if STREAM_PROTOCOL in socket.scope["subprotocols"] else None)
    grant: Grant = socket.scope["auth"]
    if hub.turns_away(grant.who):
        await socket.close(TRY_LATER, "too many clients: try again later")
        return
    loop = asyncio.get_running_loop()
    try:
        async with asyncio.timeout(services.config.subscribe_within_s) as deadline:
            # A socket that takes nothing would never let its own close message through.
            client = Client(
                services.config.client_backlog,
                on_slow=lambda: deadline.reschedule(loop.time() + services.config.close_grace_s),
                grant=grant,
            )
            hub.clients.add(client)
            try:
                async with asyncio.TaskGroup() as tasks:
                    tasks.create_task(_send(socket, client, services))
                    tasks.create_task(_receive(socket, client, services, deadline))
            finally:
                hub.clients.discard(client)
    except* (WebSocketDisconnect, OSError):
        pass  # the client has gone, or was given up: both are how a connection ends


async def _send(socket: WebSocket[Any, Any, Any], client: Client, services: Services) -> None:
    while (text := await client.next_text()) is not None:
        await socket.send_text(text)
        services.hub.note_sent(text)
    if client.is_revoked:
        await socket.close(REVOKED, "the token has been revoked")
        return
    services.hub.dropped += 1
    await socket.close(TOO_SLOW, "too slow: resume with since = the last commit you have handled")


async def _receive(
    socket: WebSocket[Any, Any, Any], client: Client, services: Services, deadline: asyncio.Timeout
) -> None:
    is_silent = True
    while True:
        data = await socket.receive_data(mode="text")
        if not data:
            client.offer(notice_text("error", "send text frames that hold a JSON object"))
            continue
        try:
            request = decode_request(data)
            wants = resolve(request, services.catalogue)
        except msgspec.DecodeError as error:
            client.offer(notice_text("error", refusal_of(error)))
        except HTTPException as error:
            client.offer(notice_text("error", error.detail))
        else:
            if is_silent:
                deadline.reschedule(None)
                is_silent = False
            await subscribe(client, services, request, wants)


async def subscribe(client: Client, services: Services, request: Subscribe, wants: Wants) -> None:
    """Bring the client up to date, then let it go on with the commits kept meanwhile."""
    client.begin(wants)
    texts: tuple[str, ...] = ()
    try:
        await services.hub.indicators.follow(wants.indicators)
        caught = None if request.since is None else await _resume(services, wants, request.since)
        if caught is None:
            if request.since is not None:
                texts = (notice_text("reset", f"cannot resume after {request.since}: a snapshot follows"),)
            caught = await services.snapshots.get(wants)
    except (FulltapeError, HTTPException) as error:
        client.stop()
        client.offer(notice_text("error", _complaint(error)))
        return
    client.go_on(caught.commit, (*texts, *caught.texts), services.hub.status_text())


def _complaint(error: FulltapeError | HTTPException) -> str:
    """Return what to say of a subscription that cannot be served."""
    if isinstance(error, HTTPException):
        return str(error.detail)
    return str(error) if isinstance(error, ConfigError) else f"the store cannot answer: {error}"


async def _resume(services: Services, wants: Wants, since: int) -> Caught | None:
    """Return what was committed after ``since``, from memory if all of it is there, else from the store."""
    commits = services.backend.bus.since(since)
    is_whole = commits and commits[0].number == since + 1 and _records(commits, wants) <= services.config.resume_records
    if commits and is_whole and not wants.indicators:
        return await services.read(lambda _: _encode(services, commits, wants))
    return await services.read(
        lambda reader: StreamReader(reader, services.catalogue, services.config).missed(wants, since)
    )


def _records(commits: list[Commit], wants: Wants) -> int:
    """Return how many records of the wanted kinds there are, at least as many as the client wants."""
    kinds = [schema.name for schema in wants.schemas]
    return sum(len(commit.batches[kind]) for commit in commits for kind in kinds if kind in commit.batches)


def _encode(services: Services, commits: list[Commit], wants: Wants) -> Caught:
    table = services.catalogue.table()
    texts = [CommitMessage(commit, table).text(wants) for commit in commits]
    return Caught(commits[-1].number, tuple(text for text in texts if text is not None))
