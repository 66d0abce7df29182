"""The worker of a door that does nothing but take in and commit.

Where all work is Python and one short write, sixteen threads spend half of a core on taking turns.
"""

from __future__ import annotations

import fcntl
import importlib
import signal
import sys
import termios
from functools import cached_property
from typing import Any

from gevent import Timeout, get_hub, monkey, socket
from gevent.lock import BoundedSemaphore
from gunicorn.workers.ggevent import GeventWorker

from gateway.serving import brief
from gateway.serving.descriptors import Teller
from gateway.serving.web import Brief

REST_SECONDS = 60.0  # nginx ends them long before (nginx/site.conf.j2)
RESTING = 1024  # connections that may rest beside those with a request: those of 32 workers of nginx
NOTHING = bytes(4)  # of FIONREAD's answer


class Greenlets(Brief, GeventWorker):
    sockets: list[Any]  # gunicorn's; then gevent's

    def __init__(self, *told: Any, **named: Any) -> None:  # noqa: ANN401 - gunicorn's
        super().__init__(*told, **named)
        self.worker_connections += RESTING

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
    def _places(self) -> BoundedSemaphore:
        """As many requests are at hand at once; connections that rest have no place."""
        return BoundedSemaphore(self.cfg.worker_connections)

    def handle(self, listener: Any, client: Any, addr: Any) -> None:  # noqa: ANN401 - gunicorn's and gevent's
        """Answer what nginx passes as it passes callbacks, one after another; all else gunicorn reads, as the last.

        Nobody but nginx ends a connection that rests, and who has accepted it closes it then: what is on its way on one
        when this process is told to stop is answered yet.
        """
        client.settimeout(self.request_seconds)
        try:
            while self._serve(listener, client, addr):
                socket.wait_read(client.fileno(), REST_SECONDS)
        except (ConnectionError, TimeoutError):
            return  # whoever asked has gone, or has nothing to ask
        except Exception as error:  # noqa: BLE001 - as gunicorn has it of its own
            self.handle_error(None, client, addr, error)

    def _serve(self, listener: Any, client: Any, addr: Any) -> bool:  # noqa: ANN401 - as they are given to `handle`
        """Answer one request; tells whether the connection rests. Raises OSError."""
        with self._places:
            with Timeout(self.request_seconds, TimeoutError):
                came, environ = brief.read(client.recv, self._base)
            if environ is None:
                if came:
                    super().handle(listener, brief.Begun(client, came), addr)
                return False
            answer, rests = brief.answered(self.wsgi, environ, may_rest=lambda: self.alive and not _has_more(client))
            client.sendall(answer)
            return rests


def _has_more(client: Any) -> bool:  # noqa: ANN401 - gevent's
    """Tell whether more has come than was read."""
    return fcntl.ioctl(client.fileno(), termios.FIONREAD, NOTHING) != NOTHING
