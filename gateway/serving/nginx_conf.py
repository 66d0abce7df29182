"""Renders nginx's configuration from the settings."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import jinja2

from gateway import errors, paths
from gateway.attachments import routes, tokens
from gateway.config import Settings
from gateway.doors import DOORS, HEADERS, PUBLIC_HEADERS
from gateway.errors import CommandError
from gateway.serving import private_edge

HEADERS_MORE = "ngx_http_headers_more_filter_module.so"  # nginx itself has no way to leave out its name
MODULE_FOLDERS = (Path("/usr/lib/nginx/modules"), Path("/usr/lib64/nginx/modules"), Path("/usr/share/nginx/modules"))
HTTP2_DIRECTIVE_SINCE = (1, 25, 1)
CONNECTIONS_PER_CLIENT = 1024  # far beyond what Sinch opens, far below what nginx has

# nginx's own refusals that become one of ours; the keys are what its templates call them.
AS_NOT_FOUND = (400, 403, 404, 405, 412, 414, 431, 494, 495, 496, 497, 501, 505)
# Its own, and the doors', that stay what they are.
AS_THEY_ARE = (413, 415, 416, 429)
AS_UNAVAILABLE = (500, 502, 503, 504, 507)


def configuration(settings: Settings, *, whole: bool = True) -> str:
    """The nginx configuration: whole, or what an existing one includes inside its http block.

    Raises CommandError if a setting cannot be written into one, or a part of nginx is not installed.
    """
    templates = jinja2.Environment(  # noqa: S701 - nginx is no HTML; what is inserted goes through `quoted`
        loader=jinja2.FunctionLoader(_template), undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    templates.filters.update(quoted=quoted, quoted_pattern=quoted_pattern, literal=literal)
    rendered = templates.get_template("nginx.conf.j2" if whole else "site.conf.j2").render(
        _facts(settings, whole=whole)
    )
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
        "connections_per_client": CONNECTIONS_PER_CLIENT,
        "public_listen": listen(server.public_address, server.public_port),
        "http_listen": listen(server.public_address, server.http_port),
        "ops_listen": listen(server.ops_address, server.ops_port),
        "headers_of_all": HEADERS,
        "public_headers": PUBLIC_HEADERS,
        "attachments": _attachments(settings),
        "outbound": private_edge.facts(settings),
        "bodies": {status: errors.body(status).decode() for status in errors.CODES},
        "retry_after": errors.RETRY_AFTER_SECONDS,
        "as_not_found": AS_NOT_FOUND,
        "as_they_are": AS_THEY_ARE,
        "as_unavailable": AS_UNAVAILABLE,
    }


def _attachments(settings: Settings) -> dict[str, object]:
    """The second door. What its links look like is empty where there are none."""
    ours, length = settings.attachments, f"{{{tokens.SHORTEST},{tokens.LONGEST}}}"
    proxied = ours.public_path.replace(".", "[.]").replace("{id}", routes.NUMBER)
    return {
        "proxied": "" if ours.proxy_token is None else proxied,
        "minted": f"/media/[0-9A-Za-z_-]{length}" if ours.token_keys else "",
        "parameter": ours.token_parameter,
        "vault": str(paths.vault(settings)),
        "vault_location": routes.VAULT_LOCATION,
        "sender": routes.SENDER,
        "nginx": routes.NGINX,
        # Who waits for another's download gives up after 25 s; who downloads, after motion.timeout.
        "answers_within": 30 + settings.motion.timeout,
    }


def program() -> str:
    """The path of nginx. Raises CommandError if it is not installed."""
    found = shutil.which("nginx", path="/usr/sbin:/usr/local/sbin:/sbin:/usr/bin:/usr/local/bin")
    if found is None:
        raise CommandError("nginx is not installed; `apt-get install nginx` brings it")
    return found


def _version() -> tuple[int, ...]:
    told = subprocess.run((program(), "-v"), stderr=subprocess.PIPE, text=True, check=False).stderr
    found = re.search(r"nginx/([0-9]+)\.([0-9]+)\.([0-9]+)", told)
    return tuple(map(int, found.groups())) if found else (0,)


def _module(name: str) -> str:
    path = next((folder / name for folder in MODULE_FOLDERS if (folder / name).exists()), None)
    if path is None:
        raise CommandError(
            "nginx cannot hide its name: `apt-get install libnginx-mod-http-headers-more-filter` brings what it needs"
        )
    return str(path)


def write(settings: Settings, *, name: str = "nginx.conf") -> Path:
    """Write the configuration, and make the folders it names, as the file `name` among them; returns its path."""
    paths.prepare(settings)
    written = paths.nginx_conf(settings).with_name(name)
    written.write_text(configuration(settings), encoding="utf-8")
    return written


def listen(address: str, port: int) -> tuple[str, ...]:
    """The address parts of the `listen` directives of one listener.

    Every address is two sockets: on one for both, nginx would tell IPv4 clients as ::ffff:192.0.2.1.
    """
    literal = address if ":" not in address or address.startswith("[") else f"[{address}]"
    return (f"[::]:{port}", f"0.0.0.0:{port}") if literal == "[::]" else (f"{literal}:{port}",)


def quoted(value: object) -> str:
    """`value` as one word of nginx's configuration language."""
    text = str(value)
    if not text.isprintable() or any(sign in text for sign in '"\\$'):
        raise CommandError(f"{text!r} cannot be written into an nginx configuration: quotes, backslashes and $ are not")
    return f'"{text}"'


def quoted_pattern(pattern: str) -> str:
    """A regular expression of ours as one word of nginx's configuration language; `$` stands at its end alone."""
    return quoted(pattern.removesuffix("$"))[:-1] + "$" * pattern.endswith("$") + '"'


def literal(text: str) -> str:
    """A text of ours, quotes and all, as one word of nginx's configuration language."""
    if not text.isprintable() or "$" in text:
        raise CommandError(f"{text!r} cannot be written into an nginx configuration: $ is not")
    escaped = text.replace("\\", "\\\\").replace("'", "\\'")
    return f"'{escaped}'"


def _template(name: str) -> str:
    return (paths.templates() / name).read_text(encoding="utf-8")
