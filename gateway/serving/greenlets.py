"""The worker of a door that does nothing but take in and commit.

Where all work is Python and one short write, sixteen threads spend half of a core on taking turns.
"""

from __future__ import annotations

import importlib
import signal
import sys
from functools import cached_property
from typing import Any

from gevent import get_hub, monkey, socket
from gunicorn.http.wsgi import base_environ
from gunicorn.workers.ggevent import GeventWorker

from gateway.serving import brief
from gateway.serving.descriptors import Teller
from gateway.serving.web import Refusing


class Greenlets(Refusing, GeventWorker):
    sockets: list[Any]  # gunicorn's; then gevent's

    def patch(self) -> None:
        """Let others go on while one waits; but not ssl, which others have taken hold of before, and not logging.

        When the process ends, logging takes its lock once more, and gevent's would be gone by then.
        """
        # A stop that comes while this takes its time shall not be lost: gunicorn listens for it only afterwards.
        signal.signal(signal.SIGTERM, self.handle_exit)
        monkey.patch_all(thread=False, ssl=False)
        monkey.patch_thread(logging=False)
        if "psycopg.waiting" in sys.modules:  # it has chosen how it waits: all of the door, for each answer
            importlib.reload(sys.modules["psycopg.waiting"])
        teller = Teller()
        # What goes wrong where no greenlet catches it, for instance in taking a connection, which gevent tries again.
        get_hub().print_exception = lambda _context, _type, error, _trace: teller.tell(error)
        listeners = [(listener.FAMILY, listener.sock.detach()) for listener in self.sockets]
        self.sockets = [socket.socket(family, socket.SOCK_STREAM, fileno=number) for family, number in listeners]

    @cached_property
    def _base(self) -> dict[str, Any]:
        """What WSGI has of each request, as gunicorn says it of one that comes by a socket of this machine."""
        same = {"wsgi.multithread": True, "wsgi.url_scheme": "http", "REMOTE_ADDR": "", "SCRIPT_NAME": ""}
        return {**base_environ(self.cfg), **same}

    def handle(self, listener: Any, client: Any, addr: Any) -> None:  # noqa: ANN401 - gunicorn's and gevent's
        """Answer what nginx passes as it passes a callback; all else gunicorn reads. Who has accepted it closes it."""
        try:
            came, environ = brief.read(client.recv, self._base)
            if environ is not None:
                client.sendall(brief.answered(self.wsgi, environ))
        except ConnectionError:
            return  # whoever asked has gone
        except Exception as error:  # noqa: BLE001 - as gunicorn has it of its own
            self.handle_error(None, client, addr, error)
            return
        if environ is None:
            super().handle(listener, brief.Begun(client, came), addr)
