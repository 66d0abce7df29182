"""A real S3 server on loopback: rclone's, which proves signatures, keeps objects as files, and can be killed."""

from __future__ import annotations

import hashlib
import subprocess
import sys
import tempfile
from contextlib import closing
from pathlib import Path
from typing import Any

from gateway.attachments.bucket import Bucket
from gateway.clock import WallClock
from sandbox.connection import Request, Route, exchange
from sandbox.listener import reserve
from tests import config_samples
from tests.spool_samples import until

BUCKET, KEY_ID, SECRET = "motion-files", "AKIAOFTHETESTS", "the secret key of the tests at S3"
PREFIX = "gateway"


class S3:
    """A bucket, in a folder of its own."""

    def __init__(self) -> None:
        self._folder = tempfile.TemporaryDirectory()
        self.bucket = Path(self._folder.name, BUCKET)
        self.bucket.mkdir()
        self._reserved = reserve()  # also while it is killed
        self.port = self._reserved.getsockname()[1]
        self._running: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Serve until told otherwise."""
        rclone = str(Path(sys.executable).with_name("rclone"))
        serve = [rclone, "serve", "s3", "--auth-key", f"{KEY_ID},{SECRET}", "--addr", f"127.0.0.1:{self.port}"]
        command = ["setpriv", "--pdeathsig=SIGKILL", *serve, "--config", "", self._folder.name]
        with Path(self._folder.name, "log").open("ab") as log:
            self._running = subprocess.Popen(command, stderr=log)
        until(self.answers, "the store answers")

    def answers(self) -> bool:
        route = Route(url=f"http://127.0.0.1:{self.port}/", timeout_seconds=5)
        return exchange(route, Request(method="GET", target="/")).status is not None

    def kill(self) -> None:
        if self._running:
            self._running.kill()
            self._running.wait()
            self._running = None

    def remove(self) -> None:
        self.kill()
        self._reserved.close()
        self._folder.cleanup()

    def settings(self, **changes: Any) -> dict[str, Any]:
        """What `[attachments]` says of it."""
        right = {
            "store": f"s3://{BUCKET}/{PREFIX}",
            "store_url": f"http://127.0.0.1:{self.port}",
            "store_key_id": KEY_ID,
            "store_key_secret": SECRET,
        }
        return right | changes

    def path(self, content: bytes) -> Path:
        """Where these bytes are, if they are."""
        name = hashlib.sha256(content).hexdigest()
        return self.bucket / PREFIX / name[:2] / name

    def lay(self, named: bytes, content: bytes) -> None:
        """Have an object of this content under the name of that one."""
        with closing(self._client()) as bucket:
            bucket.put(hashlib.sha256(named).digest(), content, anew=True)

    def names(self) -> list[str]:
        """Every object, by the first letters of its name."""
        return sorted(path.name[:8] for path in (self.bucket / PREFIX).glob("??/*"))

    def clear(self) -> None:
        with closing(self._client()) as bucket:
            for each in bucket.listed():
                bucket.drop(each.digest)

    def _client(self) -> Bucket:
        """By the server's own door: it holds on to what it has seen of a file."""
        settings = config_samples.settings(attachments=self.settings(proxy_token="t" * 16))
        return Bucket(settings.attachments, clock=WallClock())
