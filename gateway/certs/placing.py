"""Exchanges certificate and key in one step, as `deploy/certbot-deploy-hook` does, and in the same form.

1. The two match at every instant, also if this dies half-way: both paths are links that lead through a third one,
   `current`, to a folder that holds the pair.
2. What is there is not taken away before the new pair is whole, on the disk, and judged.
3. The pair before stays beside it, for going back.
"""

from __future__ import annotations

import datetime
import os
import shutil
import tempfile
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from gateway import clock, paths
from gateway.certs import issuing
from gateway.certs.issuing import KeyPair
from gateway.config import Settings
from gateway.errors import CommandError

SETTING = "server.certificate"
CURRENT, PAIR = "current", "pair."


@dataclass(frozen=True)
class Places:
    """Where certificate and key are: two files of one folder."""

    certificate: Path
    private_key: Path

    @property
    def folder(self) -> Path:
        return self.certificate.parent

    @property
    def both(self) -> tuple[Path, Path]:
        return self.private_key, self.certificate

    @property
    def are_linked(self) -> bool:
        return all(_leads_to(path) == f"{CURRENT}/{path.name}" for path in self.both)

    @property
    def are_empty(self) -> bool:
        """Whether there is neither of the two, nor a link in its place."""
        return not any(os.path.lexists(path) for path in self.both)

    def within(self, folder: Path) -> Places:
        """Say where they are in a folder of a pair."""
        return Places(folder / self.certificate.name, folder / self.private_key.name)


def proofs(settings: Settings) -> Path:
    """Name the folder from which nginx answers the authority, where `server.acme_webroot` has nothing for it."""
    return paths.run(settings) / "acme"


def names(settings: Settings) -> tuple[str, ...]:
    """List the names that the certificate is for: the public host first."""
    return tuple(dict.fromkeys((settings.server.public_host, *settings.acme.names)))


def places(settings: Settings) -> Places:
    """Say where the pair of the public address is."""
    return Places(settings.server.certificate, settings.server.private_key)


def stand_in(settings: Settings) -> bool:
    """Put a certificate that nobody trusts where there is none yet: nginx, which answers the authority, needs one.

    Returns whether it was needed. Raises CommandError.
    """
    if not settings.acme.is_wanted or not places(settings).are_empty:
        return False
    now = datetime.datetime.fromtimestamp(clock.WallClock().now(), datetime.UTC)
    put(issuing.self_signed(names(settings), now=now), places(settings))
    return True


def put(pair: KeyPair, places: Places, *, judge: Callable[[Places], None] = lambda _: None) -> None:
    """Put a pair in the place of the one that is there. `judge` may refuse it by raising: then all is as it was.

    Raises CommandError, and whatever `judge` does.
    """
    with issuing.translated():
        places.folder.mkdir(parents=True, exist_ok=True)
        new = Path(tempfile.mkdtemp(prefix=PAIR, dir=places.folder))
        try:
            there = places.within(new)
            issuing.store(pair, certificate=there.certificate, private_key=there.private_key)
            judge(there)
            os.sync()
            previous = _previous(places, new)
            if not places.are_linked:
                for path in places.both:
                    _link(f"{CURRENT}/{path.name}", path)
            _link(new.name, places.folder / CURRENT)
        except BaseException:
            if _leads_to(places.folder / CURRENT) != new.name:
                shutil.rmtree(new, ignore_errors=True)
            raise
        os.sync()
        for old in places.folder.glob(f"{PAIR}*"):
            if old.name not in (new.name, previous):
                shutil.rmtree(old, ignore_errors=True)


def _previous(places: Places, new: Path) -> str:
    """Name the folder of the pair before; one that somebody put there as files becomes such a folder."""
    current = places.folder / CURRENT
    if places.are_linked:
        return _leads_to(current)
    if not all(path.exists() for path in places.both):
        _link(new.name, current)
        return new.name
    before = Path(tempfile.mkdtemp(prefix=PAIR, dir=places.folder))
    for path in places.both:
        shutil.copy2(path, before / path.name)
    os.sync()
    _link(before.name, current)
    return before.name


def _link(target: str, path: Path) -> None:
    """Lay a link in the place of whatever is there, in one step."""
    beside = path.with_name(f".link.{os.getpid()}")
    beside.unlink(missing_ok=True)
    beside.symlink_to(target)
    if path.is_dir() and not path.is_symlink():
        raise CommandError(f"{path} is a folder; move it away")
    beside.replace(path)


def _leads_to(path: Path) -> str:
    with suppress(OSError):
        return str(path.readlink())
    return ""
