"""Clamds: one that a test plays, and Debian's own with signatures that the test writes."""

from __future__ import annotations

import os
import subprocess
import tempfile
from contextlib import suppress
from pathlib import Path

from gateway.errors import Unavailable
from gateway.inspection.scanner import Clamd
from gateway.inspection.text import EICAR
from sandbox.listener import reserve
from tests.peer_samples import Peer, Wire
from tests.spool_samples import until

OWN = b"a sign that this test alone knows"
SIGNATURES = {"Test.Eicar": EICAR, "Test.Own": OWN}
NOBODY = 65534  # an ordinary user, for clamd where the tests are root's


class ClamdWire(Wire):
    """A connection on which clamd's commands come: `request` is the command, or the file that was streamed."""

    def hear(self) -> bool:
        self.request = self._until_zero()
        if self.request == b"zINSTREAM":
            self.request = b""
            while (length := int.from_bytes(self._exactly(4), "big")) and len(self.request) < 2**20:
                self.request += self._exactly(length)
        return bool(self.request)

    def _until_zero(self) -> bytes:
        heard = b""
        while (byte := self._sock.recv(1)) not in (b"", b"\0"):
            heard += byte
        return heard

    def _exactly(self, length: int) -> bytes:
        heard = b""
        while len(heard) < length and (more := self._sock.recv(length - len(heard))):
            heard += more
        return heard


def played(answer: bytes) -> Peer:
    """A clamd that says this to whatever it is given, and closes."""

    def behave(wire: Wire) -> None:
        wire.say(answer)
        wire.reset() if not answer else wire._sock.close()

    return Peer(behave, host="127.0.0.1", tls=None, wire=ClamdWire)


class DebiansClamd:
    """A real clamd of an ordinary user's, on a socket and a port of its own; it can be killed and come back."""

    def __init__(self) -> None:
        self._made = tempfile.TemporaryDirectory()  # where an ordinary user gets, which those of pytest are not
        self.folder = folder = Path(self._made.name)
        self._held = reserve()
        port = self._held.getsockname()[1]
        self.unix, self.tcp = f"unix:{folder}/clamd.ctl", f"tcp:127.0.0.1:{port}"
        signatures = folder / "signatures"
        signatures.mkdir(parents=True)
        rows = (f"{name}:0:*:{content.hex()}\n" for name, content in SIGNATURES.items())
        (signatures / "test.ndb").write_text("".join(rows), "ascii")
        settings = {
            "Foreground": "yes",
            "LocalSocket": f"{folder}/clamd.ctl",
            "DatabaseDirectory": signatures,
            "TemporaryDirectory": folder,
            "TCPSocket": port,
            "TCPAddr": "127.0.0.1",
            "StreamMaxLength": "1M",
        }
        (folder / "clamd.conf").write_text("".join(f"{key} {value}\n" for key, value in settings.items()), "ascii")
        if os.geteuid() == 0:
            os.chown(folder, NOBODY, NOBODY)
        self.start()

    def start(self) -> None:
        """Start it, and wait until it answers."""
        ordinary = {"user": NOBODY, "group": NOBODY, "extra_groups": []} if os.geteuid() == 0 else {}
        command = ("/usr/sbin/clamd", f"--config-file={self.folder}/clamd.conf")
        self.process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, **ordinary)
        try:
            until(lambda: all(map(_answers, (self.unix, self.tcp))), "clamd")
        except BaseException:
            self.close()
            raise

    def kill(self) -> None:
        """End it at once."""
        self.process.kill()
        self.process.wait(timeout=60)

    def close(self) -> None:
        """End it, and give its port back."""
        self.kill()
        self._held.close()
        self._made.cleanup()


def _answers(place: str) -> bool:
    with suppress(Unavailable):
        return bool(Clamd(place).version())
    return False
