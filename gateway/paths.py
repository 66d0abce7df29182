"""Where things lie, and whose they are: the layout of `server.state_dir`, and what is shipped beside the code.

state_dir/
  spool.sqlite3   events, and the register of attachments, sends and reports
  vault/          the files of attachments; nginx's workers may read what is in it
  lifeboat/       callbacks that came while the spool's server was away, where spool.lifeboat is on
  run/            the doors' sockets, nginx's configuration, pid and temporary files, and what is counted (metrics/)
  edge.log        what an nginx writes that includes us
  notices.json    what doctor has told; `checkup.json`: what it has found the last time; `acme/`: keys of accounts
  *.lock          each held by a process for as long as it lives; `together.lock` by all, `writers.lock` while it waits
"""

from __future__ import annotations

import os
import pwd
import shutil
import stat
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from gateway import config
from gateway.config import Settings
from gateway.errors import CommandError, NotOurs

SPOOL = "spool.sqlite3"
LIFEBOAT, AFLOAT = "lifeboat", "afloat"  # the latter is in the former while that takes callbacks in
NOTICES, CHECKUP = "notices.json", "checkup.json"
SUDO_USER = "SUDO_USER"  # in the environment: who has become another account
WORKER_USERS = ("www-data", "nginx", "nobody")  # of nginx: Debian's, nginx.org's, anybody's
# Programs of the system that we run, with the packages that bring them; found whatever PATH says, for that of an
# ordinary user leads to none of root's.
PROGRAMS = {"nginx": "nginx", "setpriv": "util-linux"}
_PROGRAM_FOLDERS = "/usr/sbin:/usr/local/sbin:/sbin:/usr/bin:/usr/local/bin:/bin"
_PACKAGE = Path(__file__).parent


def spool(settings: Settings) -> Path:
    """Name the database's file."""
    return settings.server.state_dir / SPOOL


def vault(settings: Settings) -> Path:
    """Name the folder of the files of attachments."""
    return settings.server.state_dir / "vault"


def run(settings: Settings) -> Path:
    """Name the folder of what is there only while the gateway runs."""
    return settings.server.state_dir / "run"


def socket(settings: Settings, door: str) -> Path:
    """Name the Unix socket of `door`; and the courier's, which is no door: at that it is woken."""
    return run(settings) / f"{door}.sock"


def counts(settings: Settings) -> Path:
    """Name the folder in which the processes keep what they count."""
    return run(settings) / "metrics"


def nginx_conf(settings: Settings) -> Path:
    """Name the configuration that nginx runs with."""
    return run(settings) / "nginx.conf"


def edge_log(settings: Settings) -> Path:
    """Name the log in which an nginx tells of our servers that includes them."""
    return settings.server.state_dir / "edge.log"


def lock(settings: Settings, process: str) -> Path:
    """Name the lock that `process` holds for as long as it lives: a door, the courier, or `serve`."""
    return settings.server.state_dir / f"{process}.lock"


def require_same_state(before: Settings, after: Settings) -> None:
    """Raise CommandError where the state of a running gateway would move: its locks and sockets, and its spool."""
    if after.server.state_dir != before.server.state_dir:
        raise CommandError(
            f"server.state_dir is {before.server.state_dir} for as long as the gateway runs; stop it to change that"
        )
    if after.spool.url != before.spool.url:
        raise CommandError(f"spool.url is {before.spool.url} for as long as the gateway runs; stop it to change that")


def require_state(settings: Settings) -> None:
    """Raise CommandError where a running gateway's own state is not there any more: moved, unmounted or deleted."""
    if not lock(settings, "serve").exists():
        raise CommandError(f"what this gateway keeps in server.state_dir {settings.server.state_dir} is gone")


@contextmanager
def in_our_words(path: Path) -> Iterator[None]:
    """Say of `path` what the disk says of it. Raises CommandError."""
    try:
        yield
    except OSError as error:
        raise CommandError(f"{path} cannot be written: {error.strerror}") from error


def templates() -> Path:
    """Find nginx's templates: `nginx/` of a checkout, which stands within the package once it is installed."""
    installed = _PACKAGE / "nginx"
    return installed if installed.is_dir() else _PACKAGE.parent / "nginx"


def program(name: str) -> str:
    """Find one of PROGRAMS. Raises CommandError if it is not installed."""
    found = shutil.which(name, path=_PROGRAM_FOLDERS)
    if found is None:
        raise CommandError(f"{name} is not installed; `apt-get install {PROGRAMS[name]}` brings it")
    return found


def act_as_owner(settings: Settings, command: Sequence[str]) -> None:
    """As root, go on as the owner of `state_dir`, who could not use what root leaves there: `command` takes our place.

    He may open low ports, as root may. Where root owns it, or nothing is there yet, root goes on. Raises CommandError.
    """
    state = settings.server.state_dir
    found = _found(state) if os.geteuid() == 0 else None
    if found is None or found.st_uid == 0:
        return
    owner, own_group = account(found.st_uid)
    group = found.st_gid if own_group is None else own_group
    to = (f"--reuid={found.st_uid}", f"--regid={group}", "--clear-groups" if own_group is None else "--init-groups")
    setpriv = program("setpriv")
    ports = ("--inh-caps=-all,+net_bind_service", "--ambient-caps=-all,+net_bind_service")
    try:
        # Who it was is known no more afterwards; and libraries look for files at home, where root's are not to be read.
        environ = {SUDO_USER: account(0)[0], **config.environment(), "HOME": str(state)}
        os.execve(setpriv, (setpriv, *to, *ports, "--", *command), environ)  # noqa: S606 - there is no shell
    except OSError as error:
        raise NotOurs(f"{state} belongs to {owner}: type `sudo -u {owner}` before this; nothing was done") from error


def _found(path: Path) -> os.stat_result | None:
    with suppress(OSError):  # not there; or on a disk that lets root not look
        return path.stat()
    return None


def prepare(settings: Settings) -> None:
    """Make the folders, and put right what is wrong with them: they are ours, and open to nginx's workers as far as
    their sockets need it.

    Raises CommandError; NotOurs where only their owner, or root, can do it.
    """
    state, user = settings.server.state_dir, worker_user()
    group = os.getegid() if user is None else pwd.getpwnam(user).pw_gid
    setgid = 0 if user is None else stat.S_ISGID  # what is made in it, the sockets for instance, belongs to that group
    with _of_ours(settings):
        state.mkdir(mode=0o711, parents=True, exist_ok=True)
        if user is not None:
            _put_right(state, mode=stat.S_IMODE(state.stat().st_mode) | 0o011)  # and no less: it may be /tmp
        run(settings).mkdir(mode=0o750, exist_ok=True)
        _put_right(run(settings), mode=0o750 | setgid, group=group)
        for path in run(settings).iterdir() if user is None else ():
            if path.lstat().st_uid != os.geteuid():  # of who ran here before; all of it is made anew
                shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink()
        if settings.has_vault:
            vault(settings).mkdir(mode=0o750, exist_ok=True)
            _put_right(vault(settings), mode=0o750 | setgid, group=group)


def lacks_room(folder: Path, size_bytes: int, files: int) -> bool:
    """Tell whether its disk has no room for so much in so many new files. Raises OSError."""
    disk = os.statvfs(folder)
    # Some file systems have as many files as there is room for, and say 0.
    return disk.f_bavail * disk.f_frsize < size_bytes or (disk.f_files > 0 and disk.f_favail < files)


def clear(settings: Settings, door: str) -> None:
    """Remove what stands where `door` will listen, and is no socket of a living one. Raises CommandError."""
    with _of_ours(settings):
        socket(settings, door).unlink(missing_ok=True)


def require_way_in(settings: Settings) -> None:
    """Raise CommandError if nginx's workers could not reach the doors' sockets."""
    user = worker_user()
    for folder in run(settings).parents if user else ():
        if not folder.stat().st_mode & stat.S_IXOTH:
            raise CommandError(
                f"nginx's workers run as {user} and may not enter {folder}: `chmod o+x {folder}`, "
                "or move server.state_dir"
            )


def worker_user() -> str | None:
    """Tell whom nginx's workers run as where we are root; None where they run as ourselves."""
    if os.geteuid() != 0:
        return None
    known = {entry.pw_name for entry in pwd.getpwall()}
    return next(user for user in WORKER_USERS if user in known)


def _put_right(folder: Path, *, mode: int, group: int | None = None) -> None:
    """Let a folder be ours and have that mode and group; what is right is not touched. Raises OSError."""
    found = folder.stat()
    if group is not None and (found.st_uid, found.st_gid) != (os.geteuid(), group):
        os.chown(folder, os.geteuid(), group)
    if stat.S_IMODE(found.st_mode) != mode:
        folder.chmod(mode)


@contextmanager
def _of_ours(settings: Settings) -> Iterator[None]:
    """Say in our words what cannot be done in the state folder. Raises CommandError, NotOurs."""
    state = settings.server.state_dir
    try:
        yield
    except PermissionError as error:
        raise NotOurs(
            f"{error.filename or state} is not for {whoami()}, as whom this runs: {give_back(state)}"
        ) from error
    except OSError as error:
        where = f" ({error.filename})" if error.filename else ""
        raise CommandError(f"server.state_dir {state} cannot be prepared: {error.strerror}{where}") from error


def other_owner(settings: Settings, *, caller: int) -> str:
    """Name the account that `state_dir` belongs to where `caller`, a user id, is neither that one nor root; else "".

    One that belongs to root is nobody's: it was made so by mistake.
    """
    found = _found(settings.server.state_dir)
    return "" if found is None or 0 in (caller, found.st_uid) or caller == found.st_uid else account(found.st_uid)[0]


def whoami() -> str:
    """Name the account as which we run."""
    return account(os.geteuid())[0]


def give_back(state: Path) -> str:
    """Say what makes everything in the state folder ours."""
    return f"`sudo chown -R {whoami()}: {state}` gives it back"


def account(number: int) -> tuple[str, int | None]:
    """Name an account, and its group; by its number, and None, where it has no name here."""
    try:
        found = pwd.getpwuid(number)
    except KeyError:
        return f"#{number}", None
    return found.pw_name, found.pw_gid
