"""A machine of its own for a package: a clean root of a distribution, as a folder to work in or booted with systemd."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

from tests.spool_samples import until
from tests.units import ROOT

PATIENCE_SECONDS = 120.0
TERMINATE = "SIGRTMIN+4"  # systemd(1): it powers off


class Machine:
    """One that `laid` has made. Its network is this machine's."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._container: subprocess.Popen[bytes] | None = None

    def path(self, path: str) -> Path:
        """Where a file of its own is for us."""
        return self.root / path.lstrip("/")

    def boot(self) -> None:
        """Start systemd in it, and wait until that is up. Debian's own nginx is kept from our ports.

        Root may do there what root may on a machine: nspawn lets nobody take sockets from another process by itself.
        """
        self.path("etc/systemd/system/nginx.service").symlink_to("/dev/null")
        command = ["systemd-nspawn", "--quiet", "--register=no", "--keep-unit", "--resolv-conf=off", "--timezone=off"]
        command += ["--system-call-filter=pidfd_getfd", "--boot"]
        environment = os.environ | {"SYSTEMD_NSPAWN_UNIFIED_HIERARCHY": "1"}
        command += [f"--directory={self.root}", f"--machine=gateway-{os.getpid()}"]
        with self.root.with_name("boot.log").open("wb") as log:
            pipes = {"stdin": subprocess.DEVNULL, "stdout": log, "stderr": log}
            self._container = subprocess.Popen(command, env=environment, **pipes)
        until(self._is_up, "systemd is up", PATIENCE_SECONDS)

    def _is_up(self) -> bool:
        ended = self._container is None or self._container.poll() is not None
        assert not ended, self.root.with_name("boot.log").read_text()
        return self.typed("systemctl", "is-system-running").stdout.strip() in ("running", "degraded")

    def typed(self, *command: str) -> subprocess.CompletedProcess[str]:
        """Have root type a command in it."""
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "stdin": subprocess.DEVNULL}
        return subprocess.run([*self.way(), *command], **pipes, text=True)

    def does(self, *command: str, status: int = 0) -> str:
        """The same, and it ends so; returns what it said."""
        done = self.typed(*command)
        assert done.returncode == status, done.stdout
        return done.stdout

    def way(self) -> list[str]:
        """What runs a command in it."""
        plain = ["env", "-i", "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "HOME=/root"]
        plain += ["LC_ALL=C.UTF-8", "DEBIAN_FRONTEND=noninteractive"]
        if self._container is None:
            return ["bash", "-c", '. deploy/roots && with=exec inside "$@"', "inside", str(self.root)]
        children = Path(f"/proc/{self._container.pid}/task/{self._container.pid}/children").read_text().split()
        if not children:
            return ["false"]
        return ["nsenter", f"--target={children[0]}", "--mount", "--uts", "--ipc", "--pid", "--root", "--wd", *plain]

    def close(self) -> None:
        if self._container is not None:
            self.typed("systemctl", "poweroff", "--force")
            try:
                self._container.wait(PATIENCE_SECONDS)
            except subprocess.TimeoutExpired:
                self._container.kill()
                self._container.wait()


@contextlib.contextmanager
def laid(suite: str, *packages: str) -> Iterator[Machine]:
    """A clean root of that distribution with these of its packages; nothing of it is left behind."""
    folder = Path(tempfile.mkdtemp(prefix="motion-gateway-machine-"))
    machine = Machine(folder / "root")
    try:
        lay = '. deploy/roots && lay_root "$@"'
        subprocess.run(["bash", "-c", lay, "lay", suite, str(machine.root), *packages], cwd=ROOT, check=True)
        yield machine
    finally:
        machine.close()
        shutil.rmtree(folder)
