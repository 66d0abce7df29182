"""The worker of the third door: its calls wait for others, each in a thread, and are many and short."""

from __future__ import annotations

import threading
from typing import Any

from gunicorn.workers.gthread import TConn, ThreadWorker

from gateway import clock
from gateway.serving import brief, descriptors
from gateway.serving.web import ACCEPT_AGAIN_SECONDS, Brief


class Takers(Brief, ThreadWorker):
    """Has each connection taken by the thread that answers it: one that takes them for all would wake one for each.

    One more thread is begun where the last that rests has something to do.
    """

    nr_conns: int  # gunicorn's: those that are being answered
    _accepting: bool
    teller = descriptors.Teller()

    def __init__(self, *told: Any, **named: Any) -> None:  # noqa: ANN401 - gunicorn's, which has no types
        super().__init__(*told, **named)
        self._guard, self._hired, self._resting = threading.Lock(), 0, 0

    def set_accept_enabled(self, enabled: bool) -> None:  # noqa: FBT001 - gunicorn's
        """Have the first thread begin; that no more shall be taken, `alive` says."""
        if enabled and not self._accepting:
            self._accepting = True
            [listener] = self.sockets
            listener.setblocking(True)  # noqa: FBT003 - as the socket module has it
            self._hire(listener)

    def _hire(self, listener: Any) -> None:  # noqa: ANN401 - gunicorn's
        try:
            threading.Thread(target=self._serve, args=(listener,), daemon=True).start()
        except RuntimeError:
            return  # the system has no more threads: those that are there go on
        self._hired, self._resting = self._hired + 1, self._resting + 1

    def _serve(self, listener: Any) -> None:  # noqa: ANN401 - as above
        while self.alive:
            client, address = self._taken(listener)
            if client is None:
                continue
            with self._guard:
                self.nr_conns, self._resting = self.nr_conns + 1, self._resting - 1
                if not self._resting and self._hired < self.cfg.threads:
                    self._hire(listener)
            with client:
                self._answer(listener, client, address)
            with self._guard:
                self.nr_conns, self._resting = self.nr_conns - 1, self._resting + 1
            if not self.alive:
                self.method_queue.defer(int)  # wakes who waits for the last to end

    def _taken(self, listener: Any) -> tuple[Any, Any]:  # noqa: ANN401 - as above
        """Take a connection; where there is no descriptor for it, it waits."""
        try:
            return listener.accept()  # type: ignore[no-any-return]
        except OSError as error:
            if self.alive:
                self.teller.tell(error)
                clock.pause(ACCEPT_AGAIN_SECONDS)
            return None, None

    def _answer(self, listener: Any, client: Any, address: Any) -> None:  # noqa: ANN401 - as above
        """Answer what nginx passes as it passes a message; all else gunicorn reads, from its first byte."""
        client.settimeout(self.request_seconds)
        try:
            came, environ = brief.read(client.recv, self._base)
            if environ is not None:
                environ["gunicorn.socket"] = client
                client.sendall(brief.answered(self.wsgi, environ, may_rest=lambda: False)[0])
            elif came:
                self._hand_over(TConn(self.cfg, brief.Begun(client, came), address, listener.getsockname()))
        except (ConnectionError, TimeoutError):
            return  # whoever asked has gone, or has nothing to ask
        except Exception as error:  # noqa: BLE001 - as gunicorn has it of its own
            self.handle_error(None, client, address, error)

    def _hand_over(self, connection: TConn) -> None:
        connection.data_ready = True  # it was read
        try:
            self.handle(connection)
        finally:
            connection.close(graceful=True)
