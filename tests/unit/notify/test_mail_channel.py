"""E-mail against a real SMTP server."""

from __future__ import annotations

import re
import socket
from collections.abc import AsyncIterator, Sequence
from typing import Any
from uuid import UUID

import pytest
from pydantic import ValidationError

from services.notify.delivery.mail import NO_SERVER, TOO_LARGE, MailChannel
from services.notify.delivery.policy import Answer
from services.notify.store.attachments import Attachment
from services.notify.texts import Texts
from shared.events.outputs import NoticeData
from tests.support.mailbox import PASSWORD, Mailbox
from tests.unit.notify.deliveries import claim, delivery_settings, notice, queued

TEXTS = Texts(evidence_max=20, appeal_days=7, zone_name="Asia/Shanghai")


@pytest.fixture
async def mailbox() -> AsyncIterator[Mailbox]:
    async with Mailbox().running() as running:
        yield running


def channel(mailbox: Mailbox | None, *files: Attachment, **settings: Any) -> MailChannel:
    async def files_of(notice_ids: Sequence[UUID]) -> list[Attachment]:
        found = [file for file in files if file.notice_id in notice_ids]
        assert sum(len(file.content) for file in found) <= made.mail_attachment_bytes_max, "looked at before"
        return found

    async def sizes_of(notice_ids: Sequence[UUID]) -> dict[UUID, int]:
        return {file.notice_id: len(file.content) for file in files if file.notice_id in notice_ids}

    where = {"smtp_host": "127.0.0.1", "smtp_port": mailbox.port} if mailbox else {}
    usual: dict[str, Any] = {"smtp_tls": "none", "mail_from": "faultline@example.com", **where}
    made = delivery_settings(**{**usual, **settings})
    return MailChannel(made, TEXTS, files_of, sizes_of)


async def send(
    made: MailChannel, *notices: NoticeData, address: str = "bj02@example.com"
) -> tuple[Answer, int]:
    sent = await made.send(claim(channel="email"), address, queued(*notices))
    return sent.answer, sent.notices


async def test_all_that_waits_is_one_message_in_text_and_html(mailbox: Mailbox) -> None:
    first, second = notice(title="<b>一</b> & 二", body="行一\n行二"), notice(title="三")
    assert await send(channel(mailbox), first, second) == (Answer("delivered"), 2)
    (envelope,) = mailbox.envelopes
    assert (envelope.mail_from, envelope.rcpt_tos) == ("faultline@example.com", ["bj02@example.com"])
    message = mailbox.message()
    assert message["Subject"] == "2 条通知：<b>一</b> & 二"
    assert (message["To"], message["From"]) == ("bj02@example.com", "Faultline <faultline@example.com>")
    text, html = message.get_body(("plain",)), message.get_body(("html",))
    assert text is not None
    assert html is not None
    assert "<b>一</b> & 二\n\n行一\n行二" in text.get_content().replace("\r\n", "\n")
    assert "&lt;b&gt;一&lt;/b&gt; &amp; 二" in html.get_content()
    assert "<b>一" not in html.get_content()
    assert 'lang="zh"' in html.get_content()


async def test_the_message_id_follows_from_the_notices(mailbox: Mailbox) -> None:
    one, other = notice(language="en"), notice(language="en")
    made = channel(mailbox)
    for notices in ((one,), (one,), (one, other)):
        await send(made, *notices)
    ids = [mailbox.message(number)["Message-ID"] for number in range(3)]
    assert ids[0] == ids[1] != ids[2]
    assert re.fullmatch(r"<[0-9a-f-]{36}@example\.com>", ids[0])
    assert mailbox.message(2)["Subject"].startswith("2 notices: ")


async def test_attachments_go_along_as_far_as_a_message_may_be_long(
    mailbox: Mailbox,
) -> None:
    notices = [notice() for _ in range(3)]
    files = [
        Attachment(UUID(one.notice_id), f"对账单-{n}.pdf", "application/pdf", b"%PDF" + bytes([n]) * 600)
        for n, one in enumerate(notices)
    ]
    made = channel(mailbox, *files, mail_attachment_bytes_max=1_300)
    assert await send(made, *notices) == (Answer("delivered"), 2)
    attached = list(mailbox.message().iter_attachments())
    assert [one.get_filename() for one in attached] == ["对账单-0.pdf", "对账单-1.pdf"]
    assert [one.get_content() for one in attached] == [file.content for file in files[:2]]
    assert await send(made, notices[2]) == (Answer("delivered"), 1)


async def test_an_attachment_that_no_mail_may_have_is_refused_by_its_size(mailbox: Mailbox) -> None:
    large, small = notice(), notice()
    file = Attachment(UUID(large.notice_id), "statement.pdf", "application/pdf", bytes(1_301))
    made = channel(mailbox, file, mail_attachment_bytes_max=1_300)
    answer, count = await send(made, large, small)
    assert (answer.kind, count) == ("undeliverable", 1)
    assert answer.detail == TOO_LARGE.format(size=1_301, bytes_max=1_300)
    assert await send(made, small, large) == (Answer("delivered"), 1)


@pytest.mark.parametrize(
    "address",
    [
        "a@example.com\r\nBcc: victim@example.org",
        "a@example.com, victim@example.org",
        "a,victim@example.org",
        "<a@example.com>",
        "a@exa mple.com",
        "名@example.com",
        "no-at",
        "@",
        "",
    ],
)
async def test_an_address_that_is_more_than_one_address_is_not_written_to(
    mailbox: Mailbox, address: str
) -> None:
    answer, count = await send(channel(mailbox), notice(), notice(), address=address)
    assert (answer.kind, count) == ("undeliverable", 2)
    assert not mailbox.envelopes


async def test_no_title_can_add_a_header(mailbox: Mailbox) -> None:
    await send(channel(mailbox), notice(title="x\r\nBcc: victim@example.org\r\n\r\nbody"))
    message = mailbox.message()
    assert "Bcc" not in message
    assert message["Subject"] == "x Bcc: victim@example.org body"


async def test_without_a_server_the_notices_fail_with_what_to_do() -> None:
    assert await send(channel(None), notice()) == (Answer("undeliverable", NO_SERVER), 1)


@pytest.mark.parametrize(
    ("whom", "answered", "kind"),
    [
        ("bj02@example.com", "450 later", "failed"),
        ("bj02@example.com", "550 nobody", "rejected"),
        ("DATA", "451 later", "failed"),
        ("DATA", "554 spam", "rejected"),
    ],
)
async def test_what_the_server_refuses(mailbox: Mailbox, whom: str, answered: str, kind: str) -> None:
    mailbox.refuse[whom] = answered
    answer, _ = await send(channel(mailbox), notice())
    assert answer.kind == kind
    assert answered[:3] in (answer.detail or "")


async def test_a_password_is_given_and_a_wrong_one_is_no_fault_of_the_recipient(
    mailbox: Mailbox,
) -> None:
    right = channel(mailbox, smtp_username="faultline", smtp_password=PASSWORD)
    assert (await send(right, notice()))[0] == Answer("delivered")
    wrong = channel(mailbox, smtp_username="faultline", smtp_password="wrong")
    answer, _ = await send(wrong, notice())
    assert answer.kind == "failed"
    assert "535" in (answer.detail or "")
    assert "wrong" not in (answer.detail or "")


async def test_a_server_without_the_encryption_asked_for_gets_no_mail(
    mailbox: Mailbox,
) -> None:
    answer, _ = await send(channel(mailbox, smtp_tls="starttls"), notice())
    assert answer.kind == "failed"
    assert not mailbox.envelopes


async def test_a_dead_server() -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    answer, _ = await send(channel(None, smtp_host="127.0.0.1", smtp_port=port), notice())
    assert answer.kind == "failed"


async def test_a_server_that_hangs_is_left_after_the_time_out(mailbox: Mailbox) -> None:
    mailbox.hangs = True
    answer, _ = await send(channel(mailbox, smtp_timeout_ms=300), notice())
    assert answer == Answer("failed", "The mail server cannot be used: TimeoutError.")


def test_a_lease_that_a_time_out_outlives_is_refused_at_start() -> None:
    for longer in ({"webhook_timeout_ms": 60_000}, {"smtp_host": "mail", "smtp_timeout_ms": 59_000}):
        with pytest.raises(ValidationError, match="delivery_lease_ms"):
            delivery_settings(**longer)
