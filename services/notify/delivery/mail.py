"""E-mail: all that waits for a site in one message, as plain text and as HTML, with the notices' attachments."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import UTC, datetime
from email.errors import MessageError
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime
from uuid import UUID

import aiosmtplib

from services.notify.delivery.channel import Sent
from services.notify.delivery.policy import Answer
from services.notify.delivery.settings import DeliverySettings
from services.notify.store.attachments import Attachment
from services.notify.store.deliveries import Claim, Places, Queued
from services.notify.texts import Shown, Texts, harmless
from shared.events.outputs import NoticeData
from shared.ids import stable_id

NO_SERVER = "No mail server is set: an operator sets FAULTLINE_SMTP_HOST and resends the notice."
TOO_LARGE = (
    "Its attachments have {size} bytes, more than the {bytes_max} that a mail may have: an operator raises"
    " FAULTLINE_MAIL_ATTACHMENT_BYTES_MAX and resends the notice."
)
_DIGEST_TITLES = {"zh": "{count} 条通知：{first}", "en": "{count} notices: {first}"}
_SUBJECT_CHARS_MAX = 200
_RULE = "\n\n" + "-" * 40 + "\n\n"


FilesOf = Callable[[Sequence[UUID]], Awaitable[list[Attachment]]]
SizesOf = Callable[[Sequence[UUID]], Awaitable[dict[UUID, int]]]


class MailChannel:
    """Sends through one mail server; `files_of` brings the attachments of notices, `sizes_of` the bytes that these have."""

    name = "email"

    def __init__(
        self, settings: DeliverySettings, texts: Texts, files_of: FilesOf, sizes_of: SizesOf
    ) -> None:
        self.places = Places(
            good=settings.smtp_connections_max,
            slow=settings.smtp_connections_max,
            notices=settings.mail_notices_max,
            trial_notices=settings.mail_notices_max,
        )
        self._settings = settings
        self._files_of = files_of
        self._sizes_of = sizes_of
        self._texts = texts

    async def send(self, claim: Claim, address: str, notices: Sequence[Queued]) -> Sent:
        """Send as many of `notices` as fit into one message."""
        if self._settings.smtp_host is None:
            return Sent(Answer("undeliverable", NO_SERVER), len(notices))
        ids = [UUID(one.notice.notice_id) for one in notices]
        count, too_large = self._that_fit(ids, await self._sizes_of(ids))
        if too_large is not None:
            return Sent(too_large)
        some = [one.notice for one in notices[:count]]
        files = await self._files_of(ids[:count])
        try:
            recipient = Address(addr_spec=address).addr_spec
            recipient.encode("ascii")
            message = self._message(recipient, some, files)
        except (ValueError, MessageError, IndexError):
            wrong = "The e-mail address is not one that can be written to. Give the site another one: PUT /v1/sites."
            return Sent(Answer("undeliverable", wrong), len(notices))
        return Sent(await self._submit(recipient, message), count)

    async def close(self) -> None:
        """No connection is kept."""

    def _that_fit(self, ids: Sequence[UUID], sizes: Mapping[UUID, int]) -> tuple[int, Answer | None]:
        """How many of the first notices make a message of allowed size; an answer where the first one alone is too large."""
        bytes_max = self._settings.mail_attachment_bytes_max
        size = 0
        for count, notice_id in enumerate(ids):
            size += sizes.get(notice_id, 0)
            if size > bytes_max:
                too_large = TOO_LARGE.format(size=size, bytes_max=bytes_max)
                return count, None if count else Answer("undeliverable", too_large)
        return len(ids), None

    def _message(
        self, recipient: str, notices: Sequence[NoticeData], files: Sequence[Attachment]
    ) -> EmailMessage:
        sender = Address(addr_spec=self._settings.mail_from)
        language = notices[-1].language
        message = EmailMessage(policy=SMTP)
        message["Subject"] = subject_of(notices)
        message["From"] = Address("Faultline", addr_spec=sender.addr_spec)
        message["To"] = Address(addr_spec=recipient)
        # The machine's time: mail servers distrust a date far from theirs, and the product's clock may have been moved.
        message["Date"] = format_datetime(datetime.now(UTC))
        message["Message-ID"] = f"<{stable_id('mail', *(one.notice_id for one in notices))}@{sender.domain}>"
        message["Auto-Submitted"] = "auto-generated"
        message["Content-Language"] = language
        message.set_content(_RULE.join(f"{one.title}\n\n{one.body}" for one in notices) + "\n")
        shown = [Shown(one.title, one.body, one.due_at) for one in notices]
        site, subject = notices[-1].site, subject_of(notices)
        page = self._texts.mail(shown, site=site, subject=subject, language=language)
        message.add_alternative(page, subtype="html")
        for file in files:
            kind, _, subkind = file.media_type.partition("/")
            message.add_attachment(file.content, kind, subkind, filename=harmless(file.name))
        return message

    async def _submit(self, recipient: str, message: EmailMessage) -> Answer:
        settings = self._settings
        timeout_s = settings.smtp_timeout_ms / 1000
        try:
            async with asyncio.timeout(timeout_s):
                await aiosmtplib.send(
                    message,
                    sender=settings.mail_from,
                    recipients=[recipient],
                    hostname=settings.smtp_host,
                    port=settings.smtp_port,
                    username=settings.smtp_username,
                    password=settings.smtp_password,
                    use_tls=settings.smtp_tls == "tls",
                    start_tls=settings.smtp_tls == "starttls",
                    timeout=timeout_s,
                )
        except aiosmtplib.SMTPRecipientsRefused as error:
            return _refused(error.recipients[0].code, "the recipient")
        except aiosmtplib.SMTPDataError as error:
            return _refused(error.code, "the message")
        except aiosmtplib.SMTPResponseException as error:
            return Answer("failed", f"The mail server answered {error.code} to {type(error).__name__[4:-5]}.")
        except (aiosmtplib.SMTPException, OSError) as error:
            return Answer("failed", f"The mail server cannot be used: {type(error).__name__}.")
        return Answer("delivered")


def subject_of(notices: Sequence[NoticeData]) -> str:
    """The subject of a message about `notices`: one line."""
    first = harmless(notices[0].title)
    if len(notices) > 1:
        first = _DIGEST_TITLES[notices[-1].language].format(count=len(notices), first=first)
    return first[:_SUBJECT_CHARS_MAX]


def _refused(code: int, what: str) -> Answer:
    """A code from 500 on is meant to last; below, the server asks to come again."""
    return Answer(
        "rejected" if code >= 500 else "failed", f"The mail server refused {what} with code {code}."
    )
