"""Where things lie: the layout of `server.state_dir`, and what is shipped beside the code.

state_dir/
  spool.sqlite3   events, and the register of attachments, sends and reports
  vault/          the files of attachments; nginx's workers may read what is in it
  run/            the doors' sockets, and nginx's configuration, pid and temporary files
  edge.log        what an nginx writes that includes us
  *.lock          each held by a process for as long as it lives
"""

from __future__ import annotations

import grp
import os
import pwd
import shutil
import stat
from pathlib import Path

from gateway.config import Settings
from gateway.errors import CommandError

SPOOL = "spool.sqlite3"
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
    """Name the Unix socket of `door`."""
    return run(settings) / f"{door}.sock"


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
    """Raise CommandError where the state of a running gateway would move: its locks and sockets are there."""
    if after.server.state_dir != before.server.state_dir:
        raise CommandError(
            f"server.state_dir is {before.server.state_dir} for as long as the gateway runs; stop it to change that"
        )


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


def prepare(settings: Settings) -> None:
    """Make the folders, open to nginx's workers as far as their sockets need it. Raises CommandError."""
    state, user = settings.server.state_dir, worker_user()
    try:
        state.mkdir(mode=0o711, parents=True, exist_ok=True)
        run(settings).mkdir(mode=0o750, exist_ok=True)
        if user is not None:
            state.chmod(stat.S_IMODE(state.stat().st_mode) | 0o011)  # and no less than it was: it may be /tmp
            os.chown(run(settings), -1, grp.getgrgid(pwd.getpwnam(user).pw_gid).gr_gid)
            run(settings).chmod(0o2750)  # the sockets made in it belong to that group
        if settings.attachments.has_links:
            _open_vault(vault(settings), group=run(settings).stat().st_gid if user else -1)
    except OSError as error:
        raise CommandError(f"server.state_dir {state} cannot be prepared: {error.strerror}") from error


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


def _open_vault(folder: Path, *, group: int) -> None:
    """Make the folder of the files that nginx sends; where its workers are of another `group`, that one may read."""
    folder.mkdir(mode=0o750, exist_ok=True)
    if group >= 0:
        os.chown(folder, -1, group)
        folder.chmod(0o2750)  # and what is made in it belongs to that group
