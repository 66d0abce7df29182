"""Serves the page on loopback while the sandbox runs, and opens it where there is a desktop."""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import subprocess
import threading
from collections.abc import Iterator, Mapping, Sequence

from werkzeug.serving import WSGIRequestHandler, make_server

from sandbox.house import House
from sandbox.listener import reserve
from sandbox.page.deeds import Deeds
from sandbox.page.routes import application
from sandbox.page.story import Teller

ADDRESS = "127.0.0.1"
PORTS = (8080, 8081, 8088, 0)  # the first that is free; 0 is any
_DESKTOPS = ("DISPLAY", "WAYLAND_DISPLAY")
_WAITING_CONNECTIONS = 64


class _Quiet(WSGIRequestHandler):
    """Prints nothing: the terminal is the sandbox's."""

    def log(self, *_: object) -> None:
        return None


@contextlib.contextmanager
def serving(house: House, *, ports: Sequence[int] = PORTS) -> Iterator[str]:
    """The address of the page, which is there until the end."""
    deeds = Deeds(house)
    app = application(house, deeds, Teller(house.state.config_file))
    with reserved(ports) as listening:
        port = listening.getsockname()[1]
        listening.listen(_WAITING_CONNECTIONS)
        server = make_server(ADDRESS, port, app, threaded=True, request_handler=_Quiet, fd=listening.fileno())
        thread = threading.Thread(target=server.serve_forever, name="sandbox-page", daemon=True)
        thread.start()
        try:
            yield f"http://{ADDRESS}:{port}/"
        finally:
            deeds.close()
            server.shutdown()
            server.server_close()
            thread.join()


def open_browser(url: str, environment: Mapping[str, str] = os.environ) -> bool:
    """Show it where there is a desktop; was there one?"""
    opener = shutil.which("xdg-open", path=environment.get("PATH"))
    if opener is None or not any(environment.get(name) for name in _DESKTOPS):
        return False
    threading.Thread(target=_run, args=(opener, url), name="browser", daemon=True).start()
    return True


def _run(*command: str) -> None:
    """Wait for it in silence; it may last as long as the browser."""
    quiet = subprocess.DEVNULL
    subprocess.run(command, stdin=quiet, stdout=quiet, stderr=quiet, start_new_session=True, check=False)


def reserved(ports: Sequence[int]) -> socket.socket:
    """The first of these ports that nobody has. Raises OSError where there is none."""
    *preferred, last = ports
    for port in preferred:
        with contextlib.suppress(OSError):
            return reserve(ADDRESS, port)
    return reserve(ADDRESS, last)
