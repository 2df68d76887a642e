"""What the forms that change a case have in common: checked, shown with what they do to the money, sent once."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple
from urllib.parse import quote

from fastapi import Request
from fastapi.responses import RedirectResponse, Response

from services.console.dry_run import effect_of
from services.console.formats import moment_of
from services.console.forms import Form, publish
from services.console.kit import Kit
from services.console.viewer import Viewer
from shared.http.peers import PeerError


class Subject(NamedTuple):
    """The waybill that a form is about."""

    network: str
    waybill: str

    @property
    def where(self) -> str:
        """Its place in addresses."""
        return f"{quote(self.network, safe='')}/{quote(self.waybill, safe='')}"

    def __str__(self) -> str:
        return f"{self.network}/{self.waybill}"


def dated(kit: Kit, form: Form) -> Form:
    """The form with the moment `at` at which its events happen: that of its check, so that sent twice they are the same."""
    given = moment_of(form["at"]) if form["confirmed"] == "yes" else None
    at = given if given is not None and given <= kit.clock.now() else kit.clock.now()
    return Form({**form.values, "at": at.isoformat()}, dict(form.errors), form.form_id)


async def decide(
    kit: Kit,
    request: Request,
    viewer: Viewer,
    subject: Subject,
    form: Form,
    events: Callable[[Form], Sequence[dict[str, Any]]],
    template: str,
    done: str | None = None,
    **values: Any,
) -> Response:
    """Go on with a form that was sent: back to it where something is wrong, its check, or its events sent.

    `template` shows the form, and with `effect` its check. `done`: the page that comes after it, the case where None.
    """

    def page(status: int, form: Form, **more: Any) -> Response:
        return kit.view.page(
            request, template, viewer=viewer, status=status, subject=subject, form=form, **values, **more
        )

    if form.errors or form["confirmed"] == "change":
        return page(422 if form.errors else 200, form, effect=None)
    form = dated(kit, form)
    try:
        if not form.confirmed:
            difference = await effect_of(
                kit.services, viewer.key, subject.network, subject.where, events(form), kit.clock.now()
            )
            return page(200, form, effect=difference)
        for event in events(form):
            await publish(kit.services, viewer, event)
    except PeerError as error:
        if error.status == 401:
            raise
        form.refuse(error)
        return page(422, form, effect=None)
    return RedirectResponse(done or f"/cases/{subject.where}", 303)
