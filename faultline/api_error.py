"""What the client raises where a service does not answer, or answers with an error."""

from __future__ import annotations

from typing import Any

import httpx

from shared.errors import FaultlineError

Document = dict[str, Any]
"""A JSON object as the contract describes it."""


class ApiError(FaultlineError):
    """A service that did not answer, or answered with an error.

    `status` is None where there was no answer. `problem` is the problem document (RFC 9457), empty where there was none.
    """

    def __init__(
        self,
        happened: str,
        *,
        cause: str,
        remedy: str,
        status: int | None = None,
        problem: Document | None = None,
    ) -> None:
        super().__init__(happened, cause=cause, remedy=remedy)
        self.status = status
        self.problem = problem or {}


def object_of(answer: httpx.Response) -> Document:
    """The answer's JSON object; empty where it is none (an error of something in between)."""
    try:
        document = answer.json()
    except ValueError:
        return {}
    return document if isinstance(document, dict) else {}


def silence(service: str, url: str, method: str, path: str, error: httpx.TransportError) -> ApiError:
    """The error of a service that did not answer."""
    return ApiError(
        f"{service} did not answer {method} {path} ({type(error).__name__}).",
        cause=f"it is not running at {url}, or is overloaded.",
        remedy="look at `faultline status` and at the address.",
    )


def refusal(service: str, method: str, path: str, answer: httpx.Response) -> ApiError:
    """The error of a service that answered with a problem document."""
    problem = object_of(answer)
    errors = "; ".join(f"{error['pointer']} {error['message']}" for error in problem.get("errors", ())[:5])
    return ApiError(
        f"{service} answered {answer.status_code} to {method} {path}: {problem.get('title', 'no problem document')}.",
        cause=errors or str(problem.get("detail", answer.text[:200])),
        remedy="correct the request; the service's log has it under the same request id.",
        status=answer.status_code,
        problem=problem,
    )
