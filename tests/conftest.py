"""Fixtures of the integration and end-to-end tests. Nothing is started before a test asks for it."""

from __future__ import annotations

import asyncio
from collections.abc import Generator, Iterator

import pytest
from hypothesis import settings

from faultline.stack.topics import create_topics
from tests.support.parts import DatabaseFactory, Parts, running_parts
from tests.support.stack import Stack, running_stack

# Every run tries the same examples; `--hypothesis-profile=default` looks for new ones.
settings.load_profile("ci")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Show what the services of a stack complained about, where a test that uses it fails."""
    report = yield
    if report.failed:
        for name, used in getattr(item, "funcargs", {}).items():
            if isinstance(used, Stack):
                report.sections.append((f"errors in the logs of {name}", used.errors()))
    return report


@pytest.fixture(scope="session")
def parts() -> Iterator[Parts]:
    """The real broker (with every topic of the contract) and the real database, one of each for the session."""
    with running_parts() as running:
        asyncio.run(create_topics(running.bootstrap_servers, partitions=12))
        yield running


@pytest.fixture
def database(parts: Parts) -> Iterator[DatabaseFactory]:
    """`database("penalties")` is the DATABASE_URL of a fresh database with that service's role and empty schema."""
    names = []

    def create(service: str) -> str:
        name, url = parts.create_database(service)
        names.append(name)
        return url

    yield create
    for name in names:
        parts.drop_database(name)


@pytest.fixture(scope="session")
def stack() -> Iterator[Stack]:
    """All five services as processes on a broker and a database of their own, one stack for the session."""
    with running_stack() as running:
        yield running
