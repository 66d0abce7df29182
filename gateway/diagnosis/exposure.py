"""What can be reached, and by whom: read from the nginx configuration and the doors' own routes.

Whatever is not in this list is refused. The tests hold both against the running gateway.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterator
from dataclasses import dataclass

from gateway import app, services
from gateway.config import Settings
from gateway.media import tokens
from gateway.nginx import reading, render
from gateway.nginx.reading import Directive

ANY = "any"
# What stands for the variable parts of a route where nginx's patterns are tried on it.
EXAMPLES = {"<attachment_id>": "1", "<token>": "g" * tokens.SHORTEST, "<name>": "name"}


@dataclass(frozen=True)
class Route:
    """One thing that answers with more than a refusal."""

    listener: str  # address and port, as nginx listens
    tls: bool
    host: str  # the name that must be asked for; ANY where none is
    methods: tuple[str, ...]
    path: str
    answers: str  # what does: a door, or nginx itself
    audience: str


def routes(settings: Settings) -> list[Route]:
    """Every route that the gateway with these settings answers."""
    main = reading.read(render.configuration(settings))
    [http] = main.all("http")
    return [route for server in http.all("server") for route in _of_server(settings, server)]


def _of_server(settings: Settings, server: Directive) -> Iterator[Route]:
    names = [name for directive in server.all("server_name") for name in directive.arguments]
    host = ANY if names in (["_"], [""]) else names[0]
    for listen in server.all("listen"):
        address = listen.arguments[0]
        for location in server.all("location"):
            for methods, path, answers in _of_location(settings, location):
                audience = _audience(settings, address, path)
                yield Route(address, "ssl" in listen.arguments, host, methods, path, answers, audience)


def _of_location(settings: Settings, location: Directive) -> Iterator[tuple[tuple[str, ...], str, str]]:
    pattern = location.arguments[-1]
    if location.has("internal"):
        return
    for passed in location.all("proxy_pass"):
        door = passed.arguments[0].rpartition("_")[2]
        for methods, path in _door_routes(settings, door):
            if not location.arguments[0].startswith("~") or re.search(pattern, _example(path)):
                yield methods, _told(settings, path), f"{door} door"
    if location.has("root"):
        yield ("GET", "HEAD"), pattern, "nginx: ACME files"
    if any(directive.arguments[0] == "301" for directive in location.all("return")):
        yield ("GET", "HEAD"), ANY, "nginx: 301 to HTTPS"


def _door_routes(settings: Settings, door: str) -> Iterator[tuple[tuple[str, ...], str]]:
    rules = app.create_app(services.build(settings), door=door).url_map.iter_rules()
    for rule in rules:
        methods = tuple(sorted(rule.methods or ()))
        if "<connector>" in rule.rule:
            for account in settings.accounts:
                yield methods, rule.rule.replace("<connector>", str(account.connector_id))
        else:
            yield methods, rule.rule


def _example(path: str) -> str:
    """A path of that kind."""
    return re.sub("<[a-z_]+>", lambda found: EXAMPLES[found[0]], path)


def _told(settings: Settings, path: str) -> str:
    """A path as people write it, with what proves that one may use it."""
    told = re.sub("<(?:[a-z]+_)?([a-z]+)>", r"{\1}", path)
    proxied = path.replace("<attachment_id>", "{id}") == settings.attachments.public_path
    return f"{told}?{settings.attachments.token_parameter}={{token}}" if proxied else told


def _audience(settings: Settings, listener: str, path: str) -> str:
    address = ipaddress.ip_address(listener.rpartition(":")[0].strip("[]"))
    if address.is_loopback:
        return "this machine"
    if listener in render.listen(settings.server.ops_address, settings.server.ops_port):
        return "operators with the password"
    if "{token}" in path:
        return "whoever has a link"
    return "everybody"
