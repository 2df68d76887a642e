"""`faultline topics`: the topics of the wire contract on any broker, for a production cluster as for compose."""

from __future__ import annotations

import asyncio
from typing import Annotated

import typer

from faultline.cli.app import app, say
from faultline.stack.topics import TOPICS, create_topics

topics = typer.Typer(help="The topics that Faultline uses.", no_args_is_help=True)
app.add_typer(topics, name="topics")


@topics.command("list")
def list_command(
    partitions: Annotated[int, typer.Option(envvar="FAULTLINE_PARTITIONS", min=1)] = 12,
) -> None:
    """Print each topic with its partition count and its configuration, for whoever creates them by hand."""
    for topic in TOPICS:
        configuration = " ".join(f"{key}={value}" for key, value in topic.configuration.items())
        say(f"{topic.name:<28} {topic.partitions or partitions:>3}  {configuration}")


@topics.command("create")
def create_command(
    bootstrap_servers: Annotated[str, typer.Option(envvar="KAFKA_BOOTSTRAP_SERVERS")],
    partitions: Annotated[
        int, typer.Option(envvar="FAULTLINE_PARTITIONS", min=1, help="Of every keyed topic, for ever.")
    ] = 12,
    replication: Annotated[int, typer.Option(envvar="FAULTLINE_TOPIC_REPLICATION", min=1)] = 1,
) -> None:
    """Create the topics that are missing; existing ones are left as they are."""
    created = asyncio.run(create_topics(bootstrap_servers, partitions, replication))
    for name in created:
        say(f"created {name}")
    say(f"{len(created)} created, {len(TOPICS) - len(created)} were there already.")
