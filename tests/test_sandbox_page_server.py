"""Where the sandbox's page listens, and whether a browser is opened for it."""

from __future__ import annotations

import threading

import pytest

from sandbox import listener
from sandbox.page import server


def test_a_port_that_somebody_has_is_passed_over():
    with listener.reserve() as taken, listener.reserve() as free:
        taken.listen()
        port = free.getsockname()[1]
        free.close()
        with server.reserved((taken.getsockname()[1], port)) as found:
            assert found.getsockname() == ("127.0.0.1", port)
        with pytest.raises(OSError, match="in use"):
            server.reserved((taken.getsockname()[1],))


@pytest.mark.parametrize(
    ("desktop", "opened"),
    [({}, False), ({"DISPLAY": ""}, False), ({"DISPLAY": ":0"}, True), ({"WAYLAND_DISPLAY": "w"}, True)],
)
def test_a_browser_is_opened_where_there_is_a_desktop(tmp_path, desktop, opened):
    opener = tmp_path / "xdg-open"
    opener.write_text("#!/bin/sh\n")
    opener.chmod(0o755)
    assert server.open_browser("http://127.0.0.1:1/", {"PATH": str(tmp_path), **desktop}) is opened
    assert not server.open_browser("http://127.0.0.1:1/", {"PATH": str(tmp_path / "none"), **desktop})
    for thread in threading.enumerate():
        if thread.name == "browser":
            thread.join()  # it is in this folder
