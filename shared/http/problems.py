"""Problem details (RFC 9457): the one shape of every error that a service answers."""

from __future__ import annotations

import http
from collections.abc import Mapping, Sequence
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel, Field
from starlette.exceptions import HTTPException

MEDIA_TYPE = "application/problem+json"


class ProblemError(BaseModel):
    """One thing wrong with a request: where (a JSON pointer, or `query/<name>` and the like) and what."""

    pointer: str = Field(
        description="JSON pointer into the body, or `/query/<name>`, `/path/<name>`, `/header/<name>`"
    )
    message: str


class ProblemBody(BaseModel):
    """An error as RFC 9457 describes it. `type` is `about:blank` where the status says everything."""

    type: str = "about:blank"
    title: str
    status: int
    detail: str
    errors: list[ProblemError] = []


class Problem(HTTPException):
    """Raise it to answer `status` with a problem document.

    `detail` says what happened, the likely cause and what to do. `errors` are (pointer, message) pairs.
    """

    def __init__(
        self,
        status: int,
        title: str,
        detail: str,
        *,
        errors: Sequence[tuple[str, str]] = (),
        headers: Mapping[str, str] | None = None,
        type: str = "about:blank",
    ) -> None:
        # An HTTPException, since the framework turns any other error raised while a body is read into a plain 400.
        super().__init__(status, detail, dict(headers or {}))
        self.status = status
        self.title = title
        self.errors = tuple(errors)
        self.type = type

    def body(self) -> dict[str, Any]:
        """The document to be sent."""
        return {
            "type": self.type,
            "title": self.title,
            "status": self.status,
            "detail": self.detail,
            "errors": [{"pointer": pointer, "message": message} for pointer, message in self.errors],
        }

    def response(self) -> JSONResponse:
        """The whole answer, headers included."""
        return JSONResponse(self.body(), self.status, headers=self.headers, media_type=MEDIA_TYPE)


def not_found(what: str) -> Problem:
    """The 404 for `what`, a phrase such as "case tiantian/560000000001"."""
    return Problem(404, "Not found", f"There is no {what}. Check its spelling and its network.")


def invalid(*errors: tuple[str, str]) -> Problem:
    """The 422 for a request whose members at the pointers of `errors` are wrong."""
    return Problem(
        422,
        "Invalid request",
        "The request was understood but breaks the contract: see errors.",
        errors=errors,
    )


def pointer_of(location: Sequence[str | int]) -> str:
    """The JSON pointer of a pydantic location; what is not in the body starts with where it was found."""
    parts = [str(part).replace("~", "~0").replace("/", "~1") for part in location]
    if parts and parts[0] == "body":
        parts = parts[1:]
    return "".join(f"/{part}" for part in parts)


def install(app: FastAPI) -> None:
    """Answer the errors of `app` with problem documents: raised, refused by validation or unrouted.

    What nobody foresaw becomes one in `shared.http.middleware`.
    """
    app.add_exception_handler(Problem, _problem)
    app.add_exception_handler(RequestValidationError, _validation)
    app.add_exception_handler(HTTPException, _http)


async def _problem(_request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, Problem)
    return error.response()


async def _validation(_request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, RequestValidationError)
    # The input itself is left out: it may hold personal data or lone surrogates, which JSON cannot carry.
    return invalid(*(_member_error(item) for item in error.errors())).response()


def _member_error(item: dict[str, Any]) -> tuple[str, str]:
    if item["type"] == "json_invalid":
        reason = item.get("ctx", {}).get("error", "")
        return "", f"is not valid JSON: {reason} at character {item['loc'][-1]}"
    reason = item.get("ctx", {}).get("error") if item["type"] == "value_error" else None
    return pointer_of(item["loc"]), str(reason or item["msg"])


async def _http(_request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, HTTPException)
    title = http.HTTPStatus(error.status_code).phrase
    details = {
        404: "No route answers this path. See /openapi.json for the routes of this service.",
        405: "The path exists but not with this method. The header `Allow` lists its methods.",
        400: "The request body could not be read: it is not valid JSON text in UTF-8.",
    }
    detail = details.get(error.status_code, str(error.detail))
    return Problem(error.status_code, title, detail, headers=error.headers).response()
