"""Whatever the libraries below raise is told in our words, and on purpose."""

from __future__ import annotations

import http.client
import importlib
import inspect
import pkgutil
import socket
import ssl
from collections.abc import Iterator
from types import ModuleType

import pytest
import requests
import urllib3

from gateway.errors import UpstreamError, UpstreamTimeout, UpstreamUnreachable
from gateway.upstream import exchange

# What they have for other software than is installed here.
ABSENT = frozenset(
    {"urllib3.contrib.emscripten", "urllib3.contrib.pyopenssl", "urllib3.contrib.socks", "urllib3.http2.connection"}
)


def modules() -> Iterator[ModuleType]:
    yield from (http.client, socket, ssl)
    for library in (requests, urllib3):
        for found in pkgutil.walk_packages(library.__path__, f"{library.__name__}."):
            if not any(f"{found.name}.".startswith(f"{name}.") for name in ABSENT):
                yield importlib.import_module(found.name)


def exceptions() -> set[type[Exception]]:
    """Those that a module of theirs defines, or gives a name: `socket.timeout`."""
    roots = ("requests", "urllib3", "http", "ssl")
    return {
        value
        for module in modules()
        for name, value in vars(module).items()
        if inspect.isclass(value) and issubclass(value, Exception) and not issubclass(value, Warning)
        if value.__module__.partition(".")[0] in roots or (module is socket and not name.startswith("_"))
    }


THEIRS = exceptions()


def test_the_walk_has_seen_them() -> None:
    assert {
        requests.exceptions.ConnectionError,
        requests.exceptions.ChunkedEncodingError,
        requests.cookies.CookieConflictError,
        urllib3.exceptions.NameResolutionError,
        urllib3.exceptions.InvalidChunkLength,
        http.client.RemoteDisconnected,
        socket.gaierror,
        TimeoutError,
        ssl.SSLEOFError,
    } <= THEIRS


def test_each_of_them_stands_in_the_table() -> None:
    assert THEIRS - set(exchange.WORDS) == set(), "new: what shall they be called?"


def test_no_row_is_of_an_exception_that_is_no_more() -> None:
    assert set(exchange.WORDS) - THEIRS == {ValueError}


def told(error: Exception) -> UpstreamError:
    with pytest.raises(UpstreamError) as caught, exchange.in_our_words():
        raise error
    assert caught.value.__cause__ is error
    return caught.value


def test_the_words_of_the_closest_row_are_taken() -> None:
    class OfLater(urllib3.exceptions.ReadTimeoutError):
        pass

    late = told(OfLater(None, "/?token=x", "Read timed out: /?token=x"))
    assert (type(late), late.reason) == (UpstreamTimeout, "no answer in time")
    nameless = told(urllib3.exceptions.NameResolutionError("h", None, socket.gaierror()))
    assert (type(nameless), nameless.reason) == (UpstreamUnreachable, "host name unknown")
    broken = told(ConnectionResetError("/?token=x"))
    assert (type(broken), broken.reason) == (UpstreamUnreachable, "connection broken")


def test_a_fault_of_ours_is_not_called_theirs() -> None:
    with pytest.raises(KeyError), exchange.in_our_words():
        raise KeyError
