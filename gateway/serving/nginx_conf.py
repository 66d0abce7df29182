"""Renders nginx's configuration from the settings."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import jinja2

from gateway import errors, paths
from gateway.attachments import tokens
from gateway.certs import placing
from gateway.config import Settings, tables
from gateway.config.listeners import SINCH_NAMES, SINCH_NAMES_PORT
from gateway.doors import DOORS, HEADERS, MOST_CALL_BYTES, NGINX, PUBLIC_HEADERS, SENDER, VAULT_LOCATION
from gateway.errors import CommandError
from gateway.motion import NUMBER
from gateway.outbound.allowed import PREPARING_SECONDS
from gateway.outbound.refusals import Refused
from gateway.phrases import Reason
from gateway.serving import ports
from gateway.sinch import TOKEN_PATH, TOTAL_SECONDS

HEADERS_MORE = "ngx_http_headers_more_filter_module.so"  # nginx itself has no way to leave out its name
MODULE_FOLDERS = (Path("/usr/lib/nginx/modules"), Path("/usr/lib64/nginx/modules"), Path("/usr/share/nginx/modules"))
HTTP2_DIRECTIVE_SINCE = (1, 25, 1)
ROOM_SECONDS = 5  # for all else that a call of Motion's takes
MOST_SPILLED = 1024  # bodies of callbacks that may wait on the disk at once, each of ingress.max_body at most

OTHERS_TEMPLATES = "nginx's templates are of another release than this process: restart the gateway"

# nginx's own refusals that become one of ours; the keys are what its templates call them.
AS_NOT_FOUND = (400, 403, 404, 405, 411, 412, 414, 417, 421, 431, 494, 495, 496, 497, 501, 505)
# Its own, and the doors', that stay what they are.
AS_THEY_ARE = (413, 415, 416, 429)
AS_UNAVAILABLE = (500, 502, 503, 504, 507)

# What nginx itself refuses at the private door, and how a client of Sinch's hears it: never as "not found".
REFUSED_AS = {
    "REQUEST_MALFORMED": (400, 405, 411, 412, 414, 416, 417, 431, 494, 495, 496, 497, 501, 505),
    "CLIENT_NOT_ALLOWED": (403,),
    "PATH_NOT_ALLOWED": (404,),
    "BODY_TOO_LARGE": (413,),
    "HOST_NOT_ALLOWED": (421,),
    "TOO_MANY_CONNECTIONS": (429,),
}
# Where the door gave no answer. What was handed to it may have gone on to Sinch.
UNANSWERED = (500, 502, 503, 504, 507)
NOT_ASKED, SEND_UNANSWERED, CHANGE_UNANSWERED = "GATEWAY_UNAVAILABLE", "SEND_FATE_UNKNOWN", "CALL_FATE_UNKNOWN"
READ_UNANSWERED = "SINCH_TIMED_OUT"


@dataclass(frozen=True, kw_only=True)
class Named:
    """Those who call by one of `names` reach the door with `before` in front of their path, or by `path` alone."""

    names: tuple[str, ...]
    before: str = ""
    path: str = ""


@dataclass(frozen=True, kw_only=True)
class Listener:
    """An address and port, as nginx listens, and who is served there."""

    listen: str
    served: tuple[Named, ...]


def _template(name: str) -> str:
    return (paths.templates() / name).read_text(encoding="utf-8")


def configuration(settings: Settings, *, whole: bool = True, template: Callable[[str], str] = _template) -> str:
    """Render the configuration: whole, or what an existing one includes inside its http block.

    `template` reads one by its name. Raises CommandError if a setting cannot be written into it, nginx lacks a part, or
    the templates are not of this release, as in a process that runs on while another is installed.
    """
    templates = jinja2.Environment(  # noqa: S701 - nginx is no HTML; what is inserted goes through `quoted`
        loader=jinja2.FunctionLoader(template), undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    templates.filters.update(quoted=quoted, quoted_pattern=quoted_pattern, literal=literal)
    facts, name = _facts(settings, whole=whole), "nginx.conf.j2" if whole else "site.conf.j2"
    try:
        rendered = templates.get_template(name).render(facts)
    except jinja2.TemplateError as error:
        raise CommandError(OTHERS_TEMPLATES) from error
    return re.sub(r"\n\s*\n+", "\n\n", rendered)


def _facts(settings: Settings, *, whole: bool) -> dict[str, object]:
    server, directive = settings.server, _version() >= HTTP2_DIRECTIVE_SINCE
    return {
        "whole": whole,
        "server": server,
        "ingress": settings.ingress,
        "run": str(paths.run(settings)),
        "edge_log": str(paths.edge_log(settings)),
        "doors": DOORS,
        "sockets": {door: str(paths.socket(settings, door)) for door in DOORS},
        "worker_user": paths.worker_user(),
        "headers_more": _module(HEADERS_MORE) if whole else "",
        "http2_flag": "" if directive else " http2",
        "http2_directive": directive,
        "most_spilled": MOST_SPILLED,
        "public_listen": ports.listen(server.public_address, server.public_port),
        "proofs": str(placing.proofs(settings)),
        "acme_names": list(settings.acme.names) if settings.acme.is_wanted else [],
        "http_listen": ports.listen(server.public_address, server.http_port),
        "ops_listen": ports.listen(server.ops_address, server.ops_port),
        "headers_of_all": HEADERS,
        "public_headers": PUBLIC_HEADERS,
        "attachments": _attachments(settings),
        "outbound": outbound(settings),
        "bodies": {status: errors.body(status).decode() for status in errors.CODES},
        "pages": {status: errors.page(status) for status in errors.FOR_PEOPLE},
        "retry_after": errors.RETRY_AFTER_SECONDS,
        "as_not_found": AS_NOT_FOUND,
        "as_they_are": AS_THEY_ARE,
        "as_unavailable": AS_UNAVAILABLE,
    }


def _attachments(settings: Settings) -> dict[str, object]:
    """Tell of the second door. What its links look like is empty where there are none."""
    ours, length = settings.attachments, f"{{{tokens.SHORTEST},{tokens.LONGEST}}}"
    proxied = ours.public_path.replace(".", "[.]").replace("{id}", NUMBER)
    return {
        "proxied": "" if ours.proxy_token is None else proxied,
        "minted": f"/media/[0-9A-Za-z_-]{length}" if ours.token_keys else "",
        "parameter": ours.token_parameter,
        "vault": str(paths.vault(settings)),
        "vault_location": VAULT_LOCATION,
        "sender": SENDER,
        "nginx": NGINX,
        # Who waits for another's download gives up after 25 s; who downloads, after motion.timeout; and so the store.
        "answers_within": 30 + settings.motion.timeout + ours.store_seconds,
    }


def outbound(settings: Settings) -> dict[str, object]:
    """Tell of the private door, without listeners where it is off."""
    server = settings.server
    return {
        "listeners": listeners(server) if server.has_outbound else (),
        "links": settings.brings_through,
        "address": server.outbound_address,
        "clients": server.outbound_clients,
        "certificate": server.outbound_certificate or server.certificate,
        "private_key": server.outbound_private_key or server.private_key,
        "most_bytes": MOST_CALL_BYTES,
        # A message is prepared by then or does not leave, and then Sinch has its time.
        "answers_within": int(PREPARING_SECONDS + settings.motion.timeout + TOTAL_SECONDS + ROOM_SECONDS),
        "refused_as": REFUSED_AS,
        "unanswered": UNANSWERED,
        "not_asked": NOT_ASKED,
        "send_unanswered": SEND_UNANSWERED,
        "change_unanswered": CHANGE_UNANSWERED,
        "read_unanswered": READ_UNANSWERED,
        "refusals": refusals(),
    }


def listeners(server: tables.ServerSettings) -> tuple[Listener, ...]:
    """List the private door's listeners; on one port both forms share one."""
    own = dict.fromkeys((server.outbound_address, *server.outbound_names))
    ports = {server.outbound_port: (Named(names=tuple(own)),)}
    if server.sinch_names:
        ports[SINCH_NAMES_PORT] = (*ports.get(SINCH_NAMES_PORT, ()), *_sinch())
    return tuple(Listener(listen=f"{server.outbound_address}:{port}", served=served) for port, served in ports.items())


def refusals() -> tuple[Refused, ...]:
    """List the private door's refusals that nginx gives, each with its words."""
    codes = (*REFUSED_AS, NOT_ASKED, SEND_UNANSWERED, CHANGE_UNANSWERED, READ_UNANSWERED)
    return tuple(Refused(code, most=MOST_CALL_BYTES, reason=Reason.OURS) for code in codes)


def _sinch() -> tuple[Named, ...]:
    regions = (Named(names=(SINCH_NAMES[region],), before=f"/{region}") for region in ("eu", "us"))
    return (*regions, Named(names=(SINCH_NAMES["auth"],), path=TOKEN_PATH))


def _version() -> tuple[int, ...]:
    told = subprocess.run((paths.program("nginx"), "-v"), stderr=subprocess.PIPE, text=True, check=False).stderr
    found = re.search(r"nginx/([0-9]+)\.([0-9]+)\.([0-9]+)", told)
    return tuple(map(int, found.groups())) if found else (0,)


def _module(name: str) -> str:
    path = next((folder / name for folder in MODULE_FOLDERS if (folder / name).exists()), None)
    if path is None:
        raise CommandError(
            "nginx has no module headers-more, without which it tells its name; "
            "`apt-get install libnginx-mod-http-headers-more-filter` brings it"
        )
    return str(path)


def write(settings: Settings, *, name: str = "nginx.conf") -> Path:
    """Write the configuration, and make the folders it names, as the file `name` among them; returns its path.

    Where the one that nginx runs with says the same already, that is returned. Raises CommandError.
    """
    paths.prepare(settings)
    text, current = configuration(settings), paths.nginx_conf(settings)
    written = current.with_name(name)
    with paths.in_our_words(written):
        if current.exists() and current.read_text("utf-8") == text:
            return current
        try:
            written.write_text(text, "utf-8")
        except OSError:
            written.unlink(missing_ok=True)  # half of it; and it takes room
            raise
    return written


def quoted(value: object) -> str:
    """Write `value` as one word of nginx's configuration language."""
    text = str(value)
    if not text.isprintable() or any(sign in text for sign in '"\\$'):
        raise CommandError(f"{text!r} cannot be written into an nginx configuration: quotes, backslashes and $ are not")
    return f'"{text}"'


def quoted_pattern(pattern: str) -> str:
    """Write a regular expression of ours as one word of nginx's configuration language; `$` stands at its end alone."""
    return quoted(pattern.removesuffix("$"))[:-1] + "$" * pattern.endswith("$") + '"'


def literal(text: str) -> str:
    """Write a text of ours, quotes and all, as one word of nginx's configuration language."""
    if not text.isprintable() or "$" in text:
        raise CommandError(f"{text!r} cannot be written into an nginx configuration: $ is not")
    escaped = text.replace("\\", "\\\\").replace("'", "\\'")
    return f"'{escaped}'"
