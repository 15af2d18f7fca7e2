"""``topics``: make, list, describe and listen to the topics in Kafka, and see who reads them."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import msgspec
import typer

from fulltape.cli.output import Format, on_screen, print_columns, tell, tell_simulated
from fulltape.clock import format_rfc3339
from fulltape.errors import ConfigError

if TYPE_CHECKING:
    from fulltape.bus.kafka_config import KafkaConfig
    from fulltape.bus.kafka_topics import KafkaTopics
    from fulltape.bus.topics import Message, Topic

_NOWHERE: Final = (
    "no brokers: name them with --bootstrap 127.0.0.1:9092, or a configuration that has [kafka] with --config"
)

ConfigFile = Annotated[Path | None, typer.Option("--config", help="The configuration that fulltape runs with.")]
Bootstrap = Annotated[str, typer.Option("--bootstrap", help="Where the brokers are, such as 127.0.0.1:9092.")]
Form = Annotated[Format, typer.Option("--format", help="table, csv or json.")]


def register(app: typer.Typer) -> None:
    """Add the command group."""
    group = typer.Typer(help="Topics in Kafka.", no_args_is_help=True)
    group.command("list")(show)
    group.command()(create)
    group.command()(describe)
    group.command()(listen)
    group.command()(groups)
    app.add_typer(group, name="topics")


def show(config_file: ConfigFile = None, bootstrap: Bootstrap = "", form: Form = Format.TABLE) -> None:
    """List all topics, those of others too."""
    topics = _topics(config_file, bootstrap).overview(all_topics=True).topics
    columns = ("topic", "kind", "partitions", "replicas", "messages at most")
    print_columns(columns, [_summary(topic) for topic in topics], form, sys.stdout)


def create(
    names: Annotated[list[str] | None, typer.Argument(help="Topics of your own to make as well.")] = None,
    config_file: ConfigFile = None,
    bootstrap: Bootstrap = "",
    partitions: Annotated[int | None, typer.Option("--partitions", min=1, max=10_000, help="2 unless told.")] = None,
    replication: Annotated[int | None, typer.Option("--replication", min=1, max=100, help="1 unless told.")] = None,
) -> None:
    """Make the topics that fulltape writes to, as far as they are missing; `fulltape up` does so by itself."""
    config = _config(config_file, bootstrap)
    changed = {"partitions": partitions or config.partitions, "replication": replication or config.replication}
    made = _of(msgspec.structs.replace(config, **changed)).create(*names or ())
    for name in made:
        typer.echo(name)
    tell(f"{len(made)} topics made" if made else "all of them are there already", style="green")


def describe(
    name: Annotated[str, typer.Argument(metavar="TOPIC")],
    config_file: ConfigFile = None,
    bootstrap: Bootstrap = "",
    form: Form = Format.TABLE,
) -> None:
    """Show the partitions of a topic and what is set for it."""
    from fulltape.bus.kafka_topics import unknown_topic

    topics = _topics(config_file, bootstrap)
    there = {topic.topic: topic for topic in topics.overview(all_topics=True).topics}
    if name not in there:
        raise unknown_topic(name, there)
    columns = ("partition", "leader", "replicas", "in_sync", "start", "end")
    rows = [msgspec.structs.astuple(one) for one in there[name].partitions]
    print_columns(columns, rows, form, sys.stdout)
    if form is Format.TABLE:
        tell("  ".join(f"{key}={value}" for key, value in topics.settings(name).items()))


def listen(
    names: Annotated[list[str], typer.Argument(metavar="TOPIC...")],
    config_file: ConfigFile = None,
    bootstrap: Bootstrap = "",
    from_start: Annotated[bool, typer.Option("--from-start", help="Begin with the oldest, not with the next.")] = False,
    count: Annotated[int, typer.Option("--count", "-n", min=0, help="Leave after so many messages; 0 never.")] = 0,
    form: Annotated[Format, typer.Option("--format", help="table: a line for each; json: all of it.")] = Format.TABLE,
) -> None:
    """Print messages as they come, only those of transactions that were committed."""
    if form is Format.CSV:
        raise ConfigError("messages have no columns: use --format table or json")
    messages = _topics(config_file, bootstrap).listen(names, from_start=from_start)
    if on_screen():
        tell("listening; Ctrl-C ends it")
    try:
        _print(messages, count, form)
    except KeyboardInterrupt:
        raise typer.Exit from None


def groups(config_file: ConfigFile = None, bootstrap: Bootstrap = "", form: Form = Format.TABLE) -> None:
    """Show the consumer groups, and how far each of them is behind."""
    found = _topics(config_file, bootstrap).overview(all_topics=True).groups
    columns = ("group", "state", "members", "topic", "partition", "offset", "lag")
    rows = [
        (group.group, group.state, group.members, *msgspec.structs.astuple(reading))
        for group in found
        for reading in group.readings
    ]
    print_columns(columns, rows, form, sys.stdout)


def _print(messages: Iterator[Message | None], count: int, form: Format) -> None:
    printed, is_told = 0, False
    for message in messages:
        if message is None:
            continue
        if message.headers.get("simulated") == "true" and not is_told:
            is_told = True
            tell_simulated()
        typer.echo(_line(message, form))
        printed += 1
        if printed == count:
            return


def _line(message: Message, form: Format) -> str:
    time = format_rfc3339(message.time)
    if form is Format.JSON:
        return msgspec.json.encode({**msgspec.structs.asdict(message), "time": time}).decode()
    value = message.value if isinstance(message.value, str) else msgspec.json.encode(message.value).decode()
    return f"{message.topic}/{message.partition}:{message.offset}  {time}  {message.key}  {value}"


def _summary(topic: Topic) -> tuple[str, str, int, int, int]:
    parts = topic.partitions
    replicas = min((one.replicas for one in parts), default=0)
    return topic.topic, topic.kind, len(parts), replicas, sum(one.end - one.start for one in parts)


def _topics(config_file: Path | None, bootstrap: str) -> KafkaTopics:
    return _of(_config(config_file, bootstrap))


def _of(config: KafkaConfig) -> KafkaTopics:
    from fulltape.cli.wiring import topics

    return topics(config)


def _config(file: Path | None, bootstrap: str) -> KafkaConfig:
    from fulltape.cli.serve import with_brokers
    from fulltape.engine.config import Config

    config = with_brokers(Config.load(file) if file else Config(), bootstrap).kafka
    if not config.bootstrap:
        raise ConfigError(_NOWHERE)
    return config
