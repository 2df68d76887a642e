"""Notices on their way by e-mail, on the real database, to a real mail server."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from uuid import UUID

import pytest

from tests.support.bus import until
from tests.support.delivery import Post
from tests.support.mailbox import Mailbox
from tests.support.notify import NotifyProcess
from tests.support.parts import DatabaseFactory, Parts

pytestmark = pytest.mark.stack


@pytest.fixture
async def mailbox() -> AsyncIterator[Mailbox]:
    async with Mailbox().running() as running:
        yield running


@pytest.fixture
async def post(
    parts: Parts, database: DatabaseFactory, mailbox: Mailbox, tmp_path: Path
) -> AsyncIterator[Post]:
    clock_file = tmp_path / "clock.json"
    notify = NotifyProcess(
        parts.bootstrap_servers,
        database("notify"),
        FAULTLINE_CLOCK_FILE=str(clock_file),
        FAULTLINE_SMTP_HOST="127.0.0.1",
        FAULTLINE_SMTP_PORT=str(mailbox.port),
        FAULTLINE_SMTP_TLS="none",
        FAULTLINE_MAIL_FROM="faultline@example.com",
    )
    await notify.start()
    yield Post(notify, clock_file)
    notify.stop()


async def test_what_waits_for_a_site_is_one_mail_with_its_attachments(post: Post, mailbox: Mailbox) -> None:
    await post.site("BJ02", email="bj02@example.com")
    at = post.clock.now()
    # Due together, as at the end of quiet hours.
    ids = await post.queue("BJ02", 7, channel="email", created_at=at, send_after=at.replace(microsecond=0))
    await post.until_states(ids, "delivered")
    assert len(mailbox.envelopes) == 1
    assert mailbox.message()["Subject"] == "7 条通知：Notice 0"

    later = post.clock.now()
    (id_,) = await post.queue("BJ02", channel="email", send_after=later.replace(year=later.year + 1))
    await post.execute(
        "INSERT INTO attachments VALUES ($1, 'statement.pdf', 'application/pdf', $2)", UUID(id_), b"%PDF"
    )
    await post.execute("UPDATE notices SET send_after = NULL WHERE notice_id = $1", UUID(id_))
    await post.until_states([id_], "delivered")
    (attached,) = mailbox.message(1).iter_attachments()
    assert (attached.get_filename(), attached.get_content()) == ("statement.pdf", b"%PDF")


async def test_files_of_mails_that_left_are_kept_for_a_while(post: Post) -> None:
    await post.site("BJ02", email="bj02@example.com")
    now = post.clock.now()
    far = now + timedelta(days=1_000)
    (older,) = await post.queue("BJ02", channel="email", created_at=now - timedelta(days=5), send_after=far)
    left, failed = await post.queue("BJ02", 2, channel="email", send_after=far)
    for notice_id, state in ((older, "delivered"), (left, "delivered"), (failed, "failed")):
        await post.execute(
            "INSERT INTO attachments VALUES ($1, 'a.pdf', 'application/pdf', 'x')", UUID(notice_id)
        )
        await post.execute("UPDATE notices SET state = $2 WHERE notice_id = $1", UUID(notice_id), state)

    async def until_kept(*expected: str) -> None:
        async def kept() -> bool:
            rows = await post.execute("SELECT notice_id::text FROM attachments")
            return {row["notice_id"] for row in rows} == set(expected)

        await until(kept, f"the files of {expected} are kept")

    post.advance(days=31)
    await until_kept(left, failed)
    post.advance(days=5)
    await until_kept(failed)


async def test_a_mail_that_is_deferred_is_sent_later_under_the_same_id(post: Post, mailbox: Mailbox) -> None:
    mailbox.refuse["DATA"] = "451 later"
    await post.site("BJ02", email="bj02@example.com")
    ids = await post.queue("BJ02", 2, channel="email")
    await post.until_failures("BJ02", 1, "email")
    mailbox.refuse.clear()
    post.advance(hours=1, seconds=1)
    notices = await post.until_states(ids, "delivered")
    assert [[one["outcome"] for one in notices[id_]["attempts"]] for id_ in ids] == [
        ["failed", "delivered"]
    ] * 2
    assert len({mailbox.message(number)["Message-ID"] for number in range(len(mailbox.envelopes))}) == 1


async def test_without_a_mail_server_a_notice_fails_at_once_with_what_to_do(
    parts: Parts, database: DatabaseFactory, tmp_path: Path
) -> None:
    notify = NotifyProcess(parts.bootstrap_servers, database("notify"))
    await notify.start()
    try:
        post = Post(notify, tmp_path / "clock.json")
        await post.site("BJ02", email="bj02@example.com")
        ids = await post.queue("BJ02", channel="email")
        notices = await post.until_states(ids, "failed")
        assert "FAULTLINE_SMTP_HOST" in notices[ids[0]]["attempts"][0]["detail"]

        async def measured() -> bool:
            async with notify.client() as client:
                text = (await client.get("/metrics")).text
            return 'faultline_delivery_attempts_total{channel="email",outcome="undeliverable"} 1.0' in text

        await until(measured, "the attempt is counted")
    finally:
        notify.stop()
