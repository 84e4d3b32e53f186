from __future__ import annotations

import contextlib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdfast.errors import RequestError
from holdfast.serving.limits import Limits
from holdfast.serving.media import form_of, wanted
from holdfast.serving.requests import Request


def request(kind: bytes | None) -> Request:
    headers = [] if kind is None else [(b"content-type", kind)]
    scope = {"method": "POST", "path": "/", "headers": headers, "query_string": b""}

    async def receive() -> Any:
        raise AssertionError("the body is not needed")

    return Request.of(scope, receive, Limits())


@pytest.mark.parametrize(
    ("kind", "form"),
    [
        (None, ("json", True)),
        (b"application/json", ("json", True)),
        (b"Application/JSON; charset=UTF-8", ("json", True)),
        (b'application/json; charset="utf-8";', ("json", True)),
        (b"application/vnd.x+json", ("json", True)),
        (b"text/csv", ("csv", True)),
        (b"text/csv; header=present", ("csv", True)),
        (b"text/csv; charset=utf-8; header=absent", ("csv", False)),
        (b"application/jsonlines", ("lines", True)),
        (b"application/x-ndjson", ("lines", True)),
        (b"application/vnd.apache.parquet", ("parquet", True)),
    ],
)
def test_forms(kind: bytes | None, form: tuple[str, bool]) -> None:
    assert form_of(request(kind)) == form


@pytest.mark.parametrize(
    "kind",
    [
        b"text/plain",
        b"application/x-www-form-urlencoded",
        b"multipart/form-data; boundary=x",
        b"application/json; charset=latin-1",
        b"application/json; format=pandas-split",
        b"application/json; header=absent",
        b"text/csv; header=maybe",
    ],
)
def test_forms_that_are_not_taken(kind: bytes) -> None:
    with pytest.raises(RequestError) as caught:
        form_of(request(kind))
    assert caught.value.status == 415


@pytest.mark.parametrize(
    ("accept", "form"),
    [
        (None, "json"),
        (b"*/*", "json"),
        (b"application/*", "json"),
        (b"text/html, application/xhtml+xml, */*;q=0.8", "json"),
        (b"text/csv", "csv"),
        (b"text/*", "csv"),
        (b"TEXT/CSV; charset=utf-8", "csv"),
        (b"application/jsonlines", "lines"),
        (b"application/json;q=0.1, text/csv;q=0.2", "csv"),
        (b"application/x-ndjson, application/json", "lines"),
    ],
)
def test_what_is_accepted(accept: bytes | None, form: str) -> None:
    assert wanted(accept) == form


def test_the_default_is_for_who_takes_anything() -> None:
    assert (
        wanted(b"", "csv")
        == wanted(None, "csv")
        == wanted(b"*/*", "csv")
        == wanted(b"image/png, */*", "csv")
        == "csv"
    )
    assert wanted(b"application/json", "csv") == "json"


@pytest.mark.parametrize(
    "accept",
    [b"text/html", b"application/json;q=0", b"application/vnd.apache.parquet", b"x/y;q=z"],
)
def test_what_cannot_be_answered(accept: bytes) -> None:
    with pytest.raises(RequestError) as caught:
        wanted(accept)
    assert caught.value.status == 406


@given(accept=st.binary(max_size=40) | st.from_regex(rb"[a-z*/;q=.0-9, ]{0,40}", fullmatch=True))
def test_no_header_is_too_odd(accept: bytes) -> None:
    with contextlib.suppress(RequestError):
        assert wanted(accept) in ("json", "csv", "lines")
    with contextlib.suppress(RequestError):
        assert form_of(request(accept))[0] in ("json", "csv", "lines", "parquet")
