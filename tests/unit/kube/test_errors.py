"""What an API server says went wrong, in our own few classes, and one sentence each."""

from __future__ import annotations

import json
import time
from email.utils import formatdate
from typing import Any

import pytest

from backends.kube.errors import from_answer, from_status, parse_status, too_late
from fleetui.model.errors import (
    AlreadyExistsError,
    ClusterError,
    ConflictError,
    ForbiddenError,
    GoneError,
    InvalidError,
    NotFoundError,
    OverloadedError,
    StatusError,
    UnauthorizedError,
    UnreachableError,
)

Error = type[ClusterError]

REASONS: list[tuple[int, str, Error]] = [
    # Every reason of apimachinery 1.37, pkg/apis/meta/v1/types.go, with each code that it comes with.
    (500, "", OverloadedError),
    (401, "Unauthorized", UnauthorizedError),
    (403, "Forbidden", ForbiddenError),
    (404, "NotFound", NotFoundError),
    (409, "AlreadyExists", AlreadyExistsError),
    (409, "Conflict", ConflictError),
    (410, "Gone", GoneError),
    (422, "Invalid", InvalidError),
    (500, "ServerTimeout", OverloadedError),
    (504, "ServerTimeout", OverloadedError),
    (500, "StorageReadError", OverloadedError),
    (504, "Timeout", OverloadedError),
    (429, "TooManyRequests", OverloadedError),
    (400, "BadRequest", InvalidError),
    (405, "MethodNotAllowed", StatusError),
    (406, "NotAcceptable", StatusError),
    (413, "RequestEntityTooLarge", InvalidError),
    (415, "UnsupportedMediaType", StatusError),
    (500, "InternalError", OverloadedError),
    (410, "Expired", GoneError),
    (503, "ServiceUnavailable", OverloadedError),
    # What is between us and it has no reasons.
    (400, "", InvalidError),
    (402, "", StatusError),
    (403, "", ForbiddenError),
    (404, "", NotFoundError),
    (407, "", StatusError),
    (408, "", StatusError),
    (409, "", ConflictError),
    (410, "", GoneError),
    (413, "", InvalidError),
    (418, "", StatusError),
    (422, "", InvalidError),
    (429, "", OverloadedError),
    (501, "", OverloadedError),
    (502, "", OverloadedError),
    (503, "", OverloadedError),
    (504, "", OverloadedError),
    (599, "Unheard", OverloadedError),
    (302, "", StatusError),
]


@pytest.mark.parametrize(("code", "reason", "expected"), REASONS)
def test_each_code_and_reason_has_its_class(code: int, reason: str, expected: Error) -> None:
    status = {"kind": "Status", "apiVersion": "v1", "code": code, "reason": reason, "message": "so it is"}
    error = from_answer(code, {}, body=json.dumps(status).encode(), cluster="prod", what="GET /x")
    assert type(error) is expected
    assert error.cluster == "prod"
    assert error.message.endswith("so it is")
    if isinstance(error, StatusError):
        assert (error.code, error.reason) == (code, reason)


@pytest.mark.parametrize(("code", "reason", "expected"), [row for row in REASONS if row[1]])
def test_an_error_event_of_a_watch_has_the_same_class(code: int, reason: str, expected: Error) -> None:
    status = parse_status(json.dumps({"kind": "Status", "code": code, "reason": reason, "message": "x"}).encode())
    assert status is not None
    assert type(from_status(status, cluster="prod")) is expected


def test_the_code_of_the_answer_counts_and_not_that_of_its_body() -> None:
    status = json.dumps({"kind": "Status", "code": 404, "reason": "NotFound", "message": "x"}).encode()
    assert type(from_answer(503, {}, body=status, cluster="prod", what="GET /x")) is OverloadedError


@pytest.mark.parametrize(
    ("code", "headers", "body", "message"),
    [
        (404, {}, b"", "GET /x: HTTP 404 Not Found"),
        (502, {"Content-Type": "text/html"}, b"<html>bad gateway", "GET /x: HTTP 502 Bad Gateway"),
        (502, {"Content-Type": "text/plain"}, b"no\x1b[31m way\n", "GET /x: HTTP 502 Bad Gateway: no\ufffd[31m way"),
        (502, {"Content-Type": "text/plain"}, b"\xff\xfe", "GET /x: HTTP 502 Bad Gateway: \ufffd\ufffd"),
        (502, {"Content-Type": "text/plain"}, b"x" * 300, "GET /x: HTTP 502 Bad Gateway"),
        (599, {}, b"", "GET /x: HTTP 599"),
        (500, {}, b'{"kind": "Status", "message": "\xff"}', "GET /x: HTTP 500 Internal Server Error"),
        (500, {}, b'{"kind": "Status", "message": 7}', "GET /x: HTTP 500 Internal Server Error"),
        (500, {}, b"[" * 9999, "GET /x: HTTP 500 Internal Server Error"),
        (500, {}, b'{"kind": "Status"}', "HTTP 500"),
        (500, {}, b'{"kind": "Status", "reason": "InternalError", "message": " \\n"}', "HTTP 500 InternalError"),
        (
            302,
            {"Location": "https://login.example.com/oauth?state=secret"},
            b"",
            "GET /x: HTTP 302 Found: a redirection to login.example.com, which is not followed with a login (is a login"
            " page before it?)",
        ),
        (
            307,
            {"Location": "/elsewhere"},
            b"",
            "GET /x: HTTP 307 Temporary Redirect: a redirection, which is not followed with a login (is a login page"
            " before it?)",
        ),
        (
            302,
            {"Location": "https://[not/a/url"},
            b"",
            "GET /x: HTTP 302 Found: a redirection, which is not followed with a login (is a login page before it?)",
        ),
    ],
)
def test_an_answer_that_does_not_explain_itself_is_one_sentence(
    code: int, headers: dict[str, str], body: bytes, message: str
) -> None:
    error = from_answer(code, headers, body=body, cluster="prod", what="GET /x")
    assert str(error) == message


# --- when to come back --------------------------------------------------------------------------------------------

NOW = 1_800_000_000.0


@pytest.mark.parametrize(
    ("headers", "details", "seconds"),
    [
        ({}, {}, None),
        ({"Retry-After": "7"}, {"retryAfterSeconds": 3}, 7.0),
        ({}, {"retryAfterSeconds": 3}, 3.0),
        ({"Retry-After": "0"}, {}, 0.0),
        ({"Retry-After": "9" * 400}, {}, 999_999_999.0),
        ({"Retry-After": "soon"}, {}, None),
        ({"Retry-After": "-5"}, {}, None),
        ({"Retry-After": "٧"}, {}, None),
        # A date is taken against the server's own clock, whatever ours says.
        ({"Retry-After": formatdate(NOW + 9, usegmt=True), "Date": formatdate(NOW, usegmt=True)}, {}, 9.0),
        ({"Retry-After": formatdate(NOW - 9, usegmt=True), "Date": formatdate(NOW, usegmt=True)}, {}, 0.0),
        ({"Retry-After": "Fri, 99 Foo 2026 99:99:99 GMT"}, {}, None),
    ],
)
def test_when_to_come_back(headers: dict[str, str], details: dict[str, Any], seconds: float | None) -> None:
    body = json.dumps({"kind": "Status", "code": 429, "message": "x", "details": details}).encode()
    error = from_answer(429, headers, body=body, cluster="prod", what="GET /x")
    assert isinstance(error, OverloadedError)
    assert error.retry_after == seconds


def test_a_date_without_the_servers_clock_is_taken_against_ours() -> None:
    headers = {"Retry-After": formatdate(time.time() + 60, usegmt=True)}
    error = from_answer(503, headers, body=b"", cluster="prod", what="GET /x")
    assert isinstance(error, OverloadedError)
    assert error.retry_after == pytest.approx(60, abs=5)


# --- given up -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("sent", "unsure", "expected", "sentence"),
    [
        (False, False, OverloadedError, "https://x: gave up PATCH /y after 2.5 s, waiting for its turn"),
        (True, False, UnreachableError, "https://x: gave up PATCH /y after 2.5 s, waiting for its turn"),
        (
            True,
            True,
            UnreachableError,
            "https://x: gave up PATCH /y after 2.5 s, waiting for its turn (whether it was carried out is not known:"
            " look before asking again)",
        ),
    ],
)
def test_what_is_given_up_says_what_it_waited_for(sent: bool, unsure: bool, expected: Error, sentence: str) -> None:
    error = too_late("PATCH /y", 2.5, waited="its turn", sent=sent, unsure=unsure, cluster="prod", server="https://x")
    assert (type(error), str(error)) == (expected, sentence)
