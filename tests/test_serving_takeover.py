"""What is kept of nginx over its restart: the sockets on which it listens to the network, and no other descriptor."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from gateway.serving import takeover

OPENS = """
import socket, sys
listens, inside, only_bound = socket.create_server(("127.0.0.1", 0)), socket.socket(socket.AF_UNIX), socket.socket()
inside.bind(sys.argv[1])
inside.listen()
only_bound.bind(("127.0.0.1", 0))
left, right = socket.socketpair()
print(listens.getsockname()[1], flush=True)
sys.stdin.read()
"""


def test_what_it_listens_on_is_copied_and_nothing_else_that_it_has_open(tmp_path: Path) -> None:
    command = [sys.executable, "-I", "-S", "-c", OPENS, str(tmp_path / "socket")]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout
        port = int(other.stdout.readline())
        [found] = takeover.listening(other.pid)
        other.communicate("")
    with closing(found):
        assert (found.getsockname(), found.get_inheritable()) == (("127.0.0.1", port), False)
        with closing(socket.create_connection(("127.0.0.1", port))):
            found.accept()[0].close()


def test_where_nothing_runs_there_is_nothing_to_keep_and_nobody_is_told() -> None:
    with subprocess.Popen([sys.executable, "-I", "-S", "-c", ""]) as ended:
        pass
    assert takeover.hold(ended.pid) == 0


def test_who_was_kept_nothing_is_given_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LISTEN_FDS", "2")
    monkeypatch.setenv("LISTEN_PID", f"{os.getppid()}")  # it was another's
    with takeover.kept() as kept:
        assert (list(kept), takeover.inherited(kept)) == ([], ())
    assert takeover.inherited([3, 4]) == ("/usr/bin/env", "NGINX=3;4;")
