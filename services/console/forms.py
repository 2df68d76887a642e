"""Forms: only from these pages, bounded, shown again with what is wrong, confirmed before they do something, done once."""

from __future__ import annotations

import re
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, urlsplit

from fastapi import Request

from services.console.peers import Services
from services.console.viewer import Viewer
from shared.http.peers import PeerError

FORM_BYTES_MAX = 64 * 1024
FIELDS_MAX = 64
_FORM_ID = re.compile(r"[0-9a-f]{32}")
_CLOUDEVENT = {"Content-Type": "application/cloudevents+json"}


class ForeignForm(Exception):
    """A form was sent from a page of somebody else, or is larger than any of these pages sends."""


@dataclass
class Form:
    """A form as filled in. `errors`: what is wrong, by field; under `""` what is wrong with the whole.

    `form_id` was made when the form was first shown and stays through confirmation and correction: give what the form
    causes an id made of it, so that a form sent twice does its work once.
    """

    values: Mapping[str, str] = field(default_factory=dict)
    errors: dict[str, str] = field(default_factory=dict)
    form_id: str = field(default_factory=lambda: uuid.uuid4().hex)

    def __getitem__(self, name: str) -> str:
        return self.values.get(name, "")

    @property
    def confirmed(self) -> bool:
        """Whether it was sent from the page that shows what will happen."""
        return self["confirmed"] == "yes" and not self.errors

    @property
    def own(self) -> dict[str, str]:
        """The members as filled in, without the form's own."""
        return {name: value for name, value in self.values.items() if name not in ("form_id", "confirmed")}

    def require(self, word: Callable[..., str], *names: str) -> None:
        """Ask for each of `names` that is left empty. `word`: what says it in the viewer's language."""
        for name in names:
            if not self[name]:
                self.errors[name] = word("form", "missing")

    def refuse(self, error: PeerError) -> None:
        """Put a service's refusal where it belongs: at the fields it points at, else at the whole form."""
        for pointer, message in problems(error):
            name = pointer.rpartition("/")[2]
            self.errors[name if name in self.values else ""] = message


async def read_form(
    request: Request, *, bytes_max: int = FORM_BYTES_MAX, fields_max: int = FIELDS_MAX
) -> Form:
    """The form that one of these pages sent; surrounding space is cut off. Raises ForeignForm for any other."""
    _own(request)
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > bytes_max:
            raise ForeignForm
    try:
        members = parse_qs(body.decode("utf-8", "replace"), keep_blank_values=True, max_num_fields=fields_max)
    except ValueError:
        raise ForeignForm from None
    values = {name: given[-1].strip() for name, given in members.items()}
    given_id = values.get("form_id", "")
    return Form(values, form_id=given_id) if _FORM_ID.fullmatch(given_id) else Form(values)


def _own(request: Request) -> None:
    site = request.headers.get("sec-fetch-site")
    origin = request.headers.get("origin")
    host = request.headers.get("host", "")
    if site not in (None, "same-origin") or (origin is not None and urlsplit(origin).netloc != host):
        raise ForeignForm
    if site is None and origin is None:
        # Every browser that these pages support sends one of the two with a form.
        raise ForeignForm


def problems(error: PeerError) -> list[tuple[str, str]]:
    """What a service found wrong with a request: (pointer, message), at least one."""
    found = [
        (str(item.get("pointer", "")), str(item.get("message", "")))
        for item in error.body.get("errors") or []
        if isinstance(item, dict)
    ]
    return found or [("", error.cause)]


def event_of(viewer: Viewer, form: Form, type: str, subject: str, time: str, **data: Any) -> dict[str, Any]:
    """An event that the viewer says with `form`: sent twice, it is the same event. Members that are None are left out.

    Its source is the key's owner; an operator, who is none that the contract knows, speaks for the desk of arbitration.
    """
    return {
        "specversion": "1.0",
        "id": f"console-{form.form_id}",
        "source": "/desks/arbitration" if viewer.is_operator else viewer.owner,
        "type": type,
        "subject": subject,
        "time": time,
        "data": {name: value for name, value in data.items() if value is not None},
    }


async def publish(services: Services, viewer: Viewer, event: Mapping[str, Any]) -> None:
    """Send one event through intake with the viewer's key. Raises PeerError with intake's `errors` in its body."""
    await services.call(viewer.key, "intake", "POST", "/v1/events", body=event, headers=_CLOUDEVENT)
