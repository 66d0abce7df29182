"""What the nodes share beside the database: a Redis or Valkey that counts limits, and an S3 store for files."""

from __future__ import annotations

import secrets
import shutil
from pathlib import Path

from sandbox.cluster import programs
from sandbox.cluster.programs import Program
from sandbox.connection import Route

BUCKET = "motion-files"


class Counters(Program):
    """The one that this machine has; Valkey first."""

    def __init__(self, folder: Path, port: int) -> None:
        folder.mkdir(mode=0o711)
        self.url, self._log = f"redis://127.0.0.1:{port}", folder.parent / "redis.log"
        program = shutil.which("valkey-server") or programs.found("redis-server")
        plain = ["--bind", "127.0.0.1", "--port", str(port), "--save", "", "--dir", str(folder)]
        super().__init__(Path(program).name, [program, *plain], self._log, ready=self._listens)
        self._seen = 0

    def launch(self) -> None:
        self._seen = self.log.count("Ready to accept connections")
        super().launch()

    def _listens(self) -> bool:
        return self.log.count("Ready to accept connections") > self._seen


class Store(Program):
    """rclone, which serves a folder as S3 would; each folder in it is a bucket. Of this machine, or of the tests."""

    def __init__(self, folder: Path, port: int) -> None:
        self.folder = folder
        self.folder.mkdir(mode=0o711)
        (self.folder / BUCKET).mkdir()
        self.key_id, self.key_secret = "AKIASANDBOX", secrets.token_urlsafe(24)
        self.url = f"http://127.0.0.1:{port}"
        key = ["--auth-key", f"{self.key_id},{self.key_secret}", "--addr", f"127.0.0.1:{port}"]
        command = [programs.found("rclone"), "serve", "s3", *key, "--config", "", "--dir-cache-time", "0s", str(folder)]
        route = Route(url=f"{self.url}/", timeout_seconds=5)
        log = folder.parent / "store.log"
        super().__init__("store", command, log, ready=lambda: programs.answers(route, whatever=True))

    def settings(self) -> dict[str, str]:
        """What `[attachments]` says of it."""
        secret = {"store_key_id": self.key_id, "store_key_secret": self.key_secret}
        return {"store": f"s3://{BUCKET}/gateway", "store_url": self.url} | secret
