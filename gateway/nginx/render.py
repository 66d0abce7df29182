"""Renders nginx's configuration from the settings."""

from __future__ import annotations

import grp
import os
import pwd
from importlib import resources
from pathlib import Path

import jinja2

from gateway import errors, services
from gateway.app import HEADERS
from gateway.config import Settings
from gateway.errors import CommandError

WORKER_USERS = ("www-data", "nginx", "nobody")  # Debian's, nginx.org's, anybody's

# nginx's own refusals that become one of ours; the keys are what its templates call them.
AS_NOT_FOUND = (400, 403, 404, 405, 414, 416, 431, 494, 495, 496, 497, 501, 505)
AS_UNAVAILABLE = (500, 502, 503, 504, 507)


def configuration(settings: Settings) -> str:
    """The whole nginx configuration. Raises CommandError if a setting cannot be written into one."""
    templates = jinja2.Environment(  # noqa: S701 - nginx is no HTML; what is inserted goes through `quoted`
        loader=jinja2.FunctionLoader(_template), undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    templates.filters["quoted"] = quoted
    return templates.get_template("nginx.conf.j2").render(
        server=settings.server,
        ingress=settings.ingress,
        run=str(services.run_dir(settings)),
        sockets={door: str(services.socket_path(settings, door)) for door in ("ingress", "ops")},
        worker_user=worker_user(),
        public_listen=listen(settings.server.public_address, settings.server.public_port),
        http_listen=listen(settings.server.public_address, settings.server.http_port),
        ops_listen=listen(settings.server.ops_address, settings.server.ops_port),
        headers=HEADERS,
        bodies={status: errors.body(status).decode() for status in errors.CODES},
        retry_after=errors.RETRY_AFTER_SECONDS,
        as_not_found=AS_NOT_FOUND,
        as_unavailable=AS_UNAVAILABLE,
    )


def write(settings: Settings) -> Path:
    """Write the configuration and the folders it names; returns its path."""
    run = services.run_dir(settings)
    prepare(settings)
    path = run / "nginx.conf"
    path.write_text(configuration(settings), encoding="utf-8")
    return path


def prepare(settings: Settings) -> None:
    """Make the state and run folders, open to nginx's workers as far as their sockets need it."""
    state, run = settings.server.state_dir, services.run_dir(settings)
    try:
        state.mkdir(mode=0o711, parents=True, exist_ok=True)
        run.mkdir(mode=0o750, exist_ok=True)
        user = worker_user()
        if user is not None:
            state.chmod(0o711)
            os.chown(run, -1, grp.getgrgid(pwd.getpwnam(user).pw_gid).gr_gid)
            run.chmod(0o2750)  # the sockets made in it belong to that group
    except OSError as error:
        raise CommandError(f"server.state_dir {state} cannot be prepared: {error.strerror}") from error


def worker_user() -> str | None:
    """Whom nginx's workers run as where we are root; None where they run as ourselves."""
    if os.geteuid() != 0:
        return None
    known = {entry.pw_name for entry in pwd.getpwall()}
    return next(user for user in WORKER_USERS if user in known)


def listen(address: str, port: int) -> str:
    """The address part of a `listen` directive."""
    literal = address if ":" not in address or address.startswith("[") else f"[{address}]"
    return f"{literal}:{port}" + (" ipv6only=off" if literal == "[::]" else "")


def quoted(value: object) -> str:
    """`value` as one word of nginx's configuration language."""
    text = str(value)
    if not text.isprintable() or any(sign in text for sign in '"\\$'):
        raise CommandError(f"{text!r} cannot be written into an nginx configuration: quotes, backslashes and $ are not")
    return f'"{text}"'


def _template(name: str) -> str:
    return (resources.files("gateway.nginx") / "templates" / name).read_text(encoding="utf-8")
