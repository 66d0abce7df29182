"""What can be reached, and by whom: read from the nginx configuration and the doors' own routes.

Whatever is not in this list is refused. The tests hold both against the running gateway.
"""

from __future__ import annotations

import ipaddress
import itertools
import re
from collections.abc import Iterator
from dataclasses import dataclass

from gateway import app, services
from gateway.attachments import tokens
from gateway.config import Settings
from gateway.doors import DOORS
from gateway.outbound import allowed
from gateway.outbound import routes as outbound
from gateway.serving import nginx_conf

ANY = "any"
# What stands for the variable parts of a route where nginx's patterns are tried on it.
EXAMPLES = {"<attachment_id>": "1", "<token>": "g" * tokens.SHORTEST, "<name>": "name"}

_TOKEN = re.compile(r"""#[^\n]*|"(?:\\.|[^"\\])*"|'(?:\\.|[^'\\])*'|[{};]|(?:\\.|\$\{[^}]*\}|[^\s{};"'])+""")


@dataclass(frozen=True)
class Directive:
    """A line or a block of an nginx configuration."""

    name: str
    arguments: tuple[str, ...]
    block: tuple[Directive, ...] = ()

    def all(self, name: str) -> list[Directive]:
        """List the directives of that name in the block, in their order."""
        return [directive for directive in self.block if directive.name == name]

    def has(self, name: str) -> bool:
        return bool(self.all(name))


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
    """List every route that the gateway with these settings answers."""
    main = directives(nginx_conf.configuration(settings))
    [http] = main.all("http")
    found = (route for server in http.all("server") for route in _of_server(settings, server))
    return [*dict.fromkeys(found)]  # what two locations would take, nginx gives one of them


def _of_server(settings: Settings, server: Directive) -> Iterator[Route]:
    names = [name for directive in server.all("server_name") for name in directive.arguments]
    hosts = [ANY] if names in (["_"], [""]) else names
    for listen, host in itertools.product(server.all("listen"), hosts):
        address = listen.arguments[0]
        for location in server.all("location"):
            for methods, path, answers in _of_location(settings, location):
                audience = _audience(address, answers)
                yield Route(address, "ssl" in listen.arguments, host, methods, path, answers, audience)


def _of_location(settings: Settings, location: Directive) -> Iterator[tuple[tuple[str, ...], str, str]]:
    pattern = location.arguments[-1]
    if location.has("internal"):
        return
    for passed in location.all("proxy_pass"):
        door, before = _passed(passed.arguments[0])
        for methods, path in _door_routes(settings, door):
            asked = _asked(path, before)
            if asked is not None and _fits(location, asked):
                yield methods, _written(settings, asked), f"{door} door"
    if location.has("root"):
        yield ("GET", "HEAD"), pattern, "nginx: ACME files"
    if any(directive.arguments[0] == "301" for directive in location.all("return")):
        yield ("GET", "HEAD"), ANY, "nginx: 301 to HTTPS"


def _passed(address: str) -> tuple[str, str]:
    """Tell the door to which `proxy_pass` leads, and what it puts before the path that a client asks for."""
    door, slash, before = address.partition("motion_gateway_")[2].partition("/")
    return door.removesuffix("$request_uri"), slash + before.removesuffix("$request_uri")


def _asked(path: str, before: str) -> str | None:
    """Tell what a client asks for who gets to `path` of the door; None where nobody does."""
    if not before:
        return path
    own = re.fullmatch(f"(?:{before}|/<[a-z_]+>)(/.*)", path)
    return own[1] if own else None


def _fits(location: Directive, path: str) -> bool:
    kind, pattern = location.arguments[0], location.arguments[-1]
    if kind == "=":
        return path == pattern
    return not kind.startswith("~") or bool(re.search(pattern, _example(path)))


def _door_routes(settings: Settings, door: str) -> Iterator[tuple[tuple[str, ...], str]]:
    rules = app.create_app(services.build(settings, needs=DOORS[door].needs), door=door).url_map.iter_rules()
    for rule in rules:
        methods = tuple(sorted(rule.methods or ()))
        if "<connector>" in rule.rule:
            for account in settings.accounts:
                yield methods, rule.rule.replace("<connector>", str(account.connector_id))
        elif rule.rule == outbound.CALLS:
            yield from _calls(settings)
        else:
            yield methods, rule.rule


def _calls(settings: Settings) -> Iterator[tuple[tuple[str, ...], str]]:
    """List of the one route of all calls those that pass."""
    for region, project in dict.fromkeys((account.region, account.project_id) for account in settings.accounts):
        for path, methods in allowed.by_path(management=settings.outbound.allow_management).items():
            yield tuple(sorted(methods)), f"/{region}/v1/projects/{project}/{path}"


def _example(path: str) -> str:
    """Make a path of that kind."""
    return re.sub("<[a-z_]+>", lambda found: EXAMPLES.get(found[0], "x"), path)


def _written(settings: Settings, path: str) -> str:
    """Write a path as people do, with what proves that one may use it."""
    told = re.sub("<(?:[a-z]+:)?(?:[a-z]+_)?([a-z]+)>", r"{\1}", path)
    proxied = path.replace("<attachment_id>", "{id}") == settings.attachments.public_path
    return f"{told}?{settings.attachments.token_parameter}={{token}}" if proxied else told


def _audience(listener: str, answers: str) -> str:
    door = DOORS.get(answers.removesuffix(" door"))
    if door and door.by_address:
        return door.audience
    if ipaddress.ip_address(listener.rpartition(":")[0].strip("[]")).is_loopback:
        return "this machine"
    return door.audience if door else "everybody"


def directives(text: str) -> Directive:
    """Read an nginx configuration back, as one directive whose block holds the others."""
    return Directive("main", (), tuple(_block_of(_tokens(text))))


def _tokens(text: str) -> Iterator[str]:
    return (token for token in _TOKEN.findall(text) if not token.startswith("#"))


def _block_of(tokens: Iterator[str]) -> Iterator[Directive]:
    words: list[str] = []
    for word in tokens:
        if word == "}":
            return
        if word in ("{", ";"):
            inner = tuple(_block_of(tokens)) if word == "{" else ()
            yield Directive(words[0], tuple(words[1:]), inner)
            words = []
        else:
            words.append(_unquoted(word))


def _unquoted(word: str) -> str:
    return word[1:-1] if word[0] in "\"'" else word
