"""Writes certificates and keys: keys for their owner alone, and nothing over what is there."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from gateway.certs.issuing import KeyPair
from gateway.errors import CommandError

KEY_MODE = 0o600
CERTIFICATE_MODE = 0o644


def store(pair: KeyPair, *, certificate: Path, private_key: Path) -> None:
    """Write both files, the key for its owner alone. Raises CommandError rather than replace one."""
    with _told():
        for path in (certificate, private_key):
            if path.exists():
                raise CommandError(f"{path} is there already; it was not replaced. Move it away first")
        for path, text, mode in (
            (private_key, pair.key_pem, KEY_MODE),
            (certificate, pair.certificate_pem, CERTIFICATE_MODE),
        ):
            path.parent.mkdir(parents=True, exist_ok=True)
            descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
            with os.fdopen(descriptor, "wb") as file:
                file.write(text)


def replace(certificate: Path, certificate_pem: bytes) -> None:
    """Exchange a certificate in one step: whoever opens it reads the old one or the new one, whole."""
    with _told():
        descriptor, name = tempfile.mkstemp(dir=certificate.parent, prefix=".new-")
        with os.fdopen(descriptor, "wb") as file:
            file.write(certificate_pem)
            os.fchmod(descriptor, CERTIFICATE_MODE)
            os.fsync(descriptor)
        Path(name).replace(certificate)


def private_folder(path: Path) -> None:
    """Make a folder that only its owner can enter; one that is there keeps its rights."""
    with _told():
        path.mkdir(mode=0o700, parents=True, exist_ok=True)


def content(path: Path) -> bytes:
    """What a file of ours holds."""
    with _told("read"):
        return path.read_bytes()


@contextmanager
def _told(deed: str = "written") -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise CommandError(f"{error.filename} cannot be {deed}: {error.strerror}") from error
