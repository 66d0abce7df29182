"""The floors of the house: knowledge flows down, each thing has one home, and nothing grows too tall."""

from __future__ import annotations

import ast
import re
import tomllib
from collections import Counter
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from tests.together import together

ROOT = Path(__file__).parent.parent
MOST_LINES_OF_A_MODULE = 250
MOST_LINES_OF_A_FUNCTION = 40
MOST_MODULES = 272
MOST_IMPORTS = 0.07  # of all lines
MIGRATIONS = "gateway.store.migrations.versions"  # lists of columns, each written once
SCHEMA = "gateway.store.schema"  # one more, of all tables
PHRASES = "gateway.phrases"  # and of all that the log says

# From the ground up. A module imports from floors below its own, and on its own floor from its own room alone. A name
# stands for a module, or for all of a room that has no row of its own.
FLOORS = {
    "words": ("gateway", "gateway.phrases", "gateway.clock", "gateway.printable", "gateway.doors"),
    "errors": ("gateway.errors",),
    "settings": ("gateway.config", "gateway.rules"),
    "where things lie": ("gateway.paths", "gateway.outlet"),
    "decisions": (
        "gateway.ingress.events",
        "gateway.ingress.signature",
        "gateway.delivery.schedule",
        "gateway.attachments.content_disposition",
        "gateway.motion",
        "gateway.sinch",
        "gateway.sinch.receive_urls",
        "gateway.sinch.webhooks",
    ),
    "files": ("gateway.inspection",),
    "links to files": (
        "gateway.attachments.content_disposition",
        "gateway.attachments.decision",
        "gateway.attachments.tokens",
    ),
    "calls": (
        "gateway.outbound.allowed",
        "gateway.outbound.document",
        "gateway.outbound.gateway_key",
        "gateway.outbound.lengths",
        "gateway.outbound.message",
        "gateway.outbound.message_fields",
        "gateway.outbound.refusals",
        "gateway.outbound.syntax",
    ),
    "what came in": ("gateway.inbound.places", "gateway.inbound.policy"),
    "what codes mean": ("gateway.diagnosis.reasons",),
    "the locks": ("gateway.lock", "gateway.draining", "gateway.bell"),
    "what is counted": ("gateway.metrics", "gateway.counters"),
    "the log": ("gateway.telemetry",),
    "the world": (
        "gateway.store",
        "gateway.upstream",
        "gateway.certs",
        "gateway.limits",
    ),
    "strangers": ("gateway.strangers",),
    "what the rooms keep": (
        "gateway.inbound.arrivals",
        "gateway.ingress.intake",
        "gateway.ingress.lifeboat",
        "gateway.ingress.timekeeper",
        "gateway.delivery.claims",
        "gateway.delivery.health",
        "gateway.delivery.records",
        "gateway.delivery.recovery",
        "gateway.delivery.trouble",
        "gateway.outbound.record",
        "gateway.outbound.window",
        "gateway.attachments.register",
        "gateway.inbound.errands",
    ),
    "Motion and Sinch": (
        "gateway.certs.acme",
        "gateway.certs.renewal",
        "gateway.sinch.access_tokens",
        "gateway.sinch.client",
        "gateway.sinch.management",
        "gateway.sinch.retry",
        "gateway.motion.download",
        "gateway.motion.notify",
        "gateway.inspection.scanner",
    ),
    "the vault": ("gateway.attachments.vault", "gateway.attachments.bucket", "gateway.inbound.source"),
    "room in the vault": ("gateway.attachments.eviction", "gateway.attachments.sharing"),
    "the shelf": ("gateway.attachments.fetch", "gateway.attachments.acquisition"),
    "services": ("gateway.services",),
    "doors": (
        "gateway.ingress",
        "gateway.attachments",
        "gateway.outbound",
        "gateway.inbound",
        "gateway.diagnosis.complaint",
        "gateway.diagnosis.peers",
        "gateway.diagnosis.routes",
        "gateway.diagnosis.history",
        "gateway.diagnosis.scrape",
        "gateway.delivery",
    ),
    "the applications": ("gateway.app",),
    "processes": ("gateway.serving",),
    "diagnosis": ("gateway.diagnosis",),
    "the page": ("gateway.page",),
    "commands": ("gateway.cli",),
    "the entrance": ("gateway.__main__",),
}
# These only hold others together: what is in them is placed by itself.
FRAMES = frozenset({"gateway"})

LEVELS = {name: level for level, names in enumerate(FLOORS.values()) for name in names}

# What a decision may not even know of: it is pure.
WORLDLY = frozenset(
    {"os", "socket", "sqlalchemy", "sqlite3", "urllib3", "requests", "flask", "threading", "subprocess"}
)
PURE = (
    "gateway.attachments.content_disposition",
    "gateway.attachments.decision",
    "gateway.attachments.tokens",
    "gateway.delivery.schedule",
    "gateway.delivery.health",
    "gateway.diagnosis.reasons",
    "gateway.inbound.places",
    "gateway.inbound.policy",
    "gateway.ingress.events",
    "gateway.ingress.signature",
    "gateway.inspection.filetypes",
    "gateway.inspection.rulebook",
    "gateway.inspection.verdicts",
    "gateway.outbound.allowed",
    "gateway.outbound.document",
    "gateway.outbound.gateway_key",
    "gateway.outbound.lengths",
    "gateway.outbound.message",
    "gateway.outbound.message_fields",
    "gateway.outbound.refusals",
    "gateway.outbound.syntax",
    "gateway.sinch.receive_urls",
    "gateway.sinch.retry",
    "gateway.sinch.webhooks",
)
ONE_HOME = {
    "sqlite3": {"gateway.store.sqlite"},
    "psycopg": {"gateway.store.postgres"},
    "requests": {"gateway.upstream"},
    "urllib3": {"gateway.upstream"},
    "hmac": {"gateway.config.secrets", "gateway.ingress.signature"},
    "time": {"gateway.clock"},
    "flask": {
        "gateway.app",
        "gateway.limits",
        "gateway.ingress.routes",
        "gateway.attachments.routes",
        "gateway.diagnosis.routes",
        "gateway.outbound.routes",
        "gateway.inbound.routes",
        "gateway.page",
        "gateway.serving.web",
    },
    "acme": {"gateway.certs.acme"},
    "josepy": {"gateway.certs.acme"},
    "requests_aws4auth": {"gateway.attachments.bucket"},
    "gunicorn": {"gateway.serving"},
    "gevent": {"gateway.serving.greenlets"},
    "flask_limiter": {"gateway.limits"},
    "limits": {"gateway.limits"},
    "structlog": {"gateway.telemetry"},
    "click": {"gateway.cli"},
    "rich": {"gateway.cli"},
    "prometheus_client": {"gateway.metrics.meter", "gateway.diagnosis.scrape"},
    "magic": {"gateway.inspection.inspector"},
}


def modules(package: str) -> dict[str, Path]:
    """The modules of a package, by name."""
    found = {}
    for path in sorted((ROOT / package).rglob("*.py")):
        parts = path.relative_to(ROOT).with_suffix("").parts
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


GATEWAY, SANDBOX = modules("gateway"), modules("sandbox")
ALL = GATEWAY | SANDBOX


def tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text("utf-8"))


def imports(path: Path) -> Iterator[str]:
    """Every module that is imported anywhere in the file, under `if TYPE_CHECKING` and in functions too."""
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: imports are absolute"
            for alias in node.names:
                whole = f"{node.module}.{alias.name}"
                yield whole if whole in ALL else str(node.module)


@cache
def imported_by(module: str) -> list[str]:
    """What one of ours imports: read once it is asked for, as each process of the tests collects them all."""
    return sorted(set(imports(ALL[module])))


def place(module: str) -> str | None:
    """The name under which a module stands in the table: its own, or that of a package around it."""
    name = module
    while name not in LEVELS or (name in FRAMES and name != module):
        name, dot, _ = name.rpartition(".")
        if not dot:
            return None
    return name


def room(module: str) -> str:
    """The folder of gateway/ that a module stands in; the module itself at the top."""
    return ".".join(module.split(".")[:2])


def within(module: str, package: str) -> bool:
    return f"{module}.".startswith(f"{package}.")


def test_the_table_names_no_module_that_is_not_there() -> None:
    assert [name for name in LEVELS if name not in GATEWAY] == []


@together("module", GATEWAY)
def test_every_module_has_its_floor(module: str) -> None:
    assert place(module), f"{module} is new: give it a floor"


@together("module", GATEWAY)
def test_a_module_imports_only_from_lower_floors_and_from_its_own_room(module: str) -> None:
    mine = place(module)
    assert mine
    for imported in imported_by(module):
        theirs = place(imported) if within(imported, "gateway") else None
        if theirs and theirs != mine:
            beside = LEVELS[theirs] == LEVELS[mine] and room(imported) == room(module)
            assert beside or LEVELS[theirs] < LEVELS[mine], f"{module} imports {imported}, which is not below it"


def test_no_module_imports_itself_by_way_of_others() -> None:
    done: set[str] = set()

    def visit(module: str, trail: tuple[str, ...]) -> None:
        assert module not in trail, " → ".join((*trail, module))
        if module not in done:
            for imported in imported_by(module):
                if imported in ALL:
                    visit(imported, (*trail, module))
            done.add(module)

    for module in ALL:
        visit(module, ())


@together("module", GATEWAY)
def test_the_gateway_knows_neither_the_sandbox_nor_the_tests(module: str) -> None:
    assert [name for name in imported_by(module) if name.partition(".")[0] in ("sandbox", "tests", "pytest")] == []


@together("module", SANDBOX)
def test_the_sandbox_knows_neither_the_gateway_nor_the_tests(module: str) -> None:
    assert [name for name in imported_by(module) if name.partition(".")[0] in ("gateway", "tests", "pytest")] == []


@together("module", [name for name in GATEWAY if any(within(name, package) for package in PURE)])
def test_a_decision_is_pure(module: str) -> None:
    assert [name for name in imported_by(module) if name.partition(".")[0] in WORLDLY] == []


@together(("outside", "homes"), ONE_HOME.items(), ids=ONE_HOME)
def test_each_outside_thing_has_its_home(outside: str, homes: set[str]) -> None:
    users = [module for module in GATEWAY if any(within(name, outside) for name in imported_by(module))]
    assert [user for user in users if not any(within(user, home) for home in homes)] == []
    assert [home for home in homes if not any(within(user, home) for user in users)] == []


@together("module", ALL)
def test_a_module_says_in_its_first_sentence_what_it_is_for(module: str) -> None:
    said = ast.get_docstring(tree(ALL[module])) or ""
    assert said.partition("\n\n")[0].endswith((".", ":"))


@together("module", [name for name in ALL if name not in (SCHEMA, PHRASES)])
def test_a_module_reads_in_one_sitting(module: str) -> None:
    lines = len(ALL[module].read_text("utf-8").splitlines())
    assert lines <= MOST_LINES_OF_A_MODULE, f"{module} has {lines} lines"


@together("module", [name for name in ALL if not within(name, MIGRATIONS)])
def test_a_function_fits_on_a_screen(module: str) -> None:
    functions = [
        node for node in ast.walk(tree(ALL[module])) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    ]
    long = {
        function.name: lines
        for function in functions
        if (lines := (function.end_lineno or 0) - function.lineno + 1) > MOST_LINES_OF_A_FUNCTION
    }
    assert long == {}


PAGES = {name: (ROOT / name).read_text("utf-8") for name in ("docs/architecture.md", "CONTRIBUTING.md")}
ROOMS = sorted(path.name for path in (ROOT / "gateway").iterdir() if path.is_dir() and any(path.glob("*.py")))
NAMED = re.compile(r"`((?:gateway|tests|nginx|sandbox|deploy|bench|docs)/[a-z_./-]*)`")


@together("room", ROOMS)
def test_every_room_is_told_in_a_sentence(room: str) -> None:
    assert re.search(rf"^\| `gateway/{room}/` \| .{{20,}} \|$", PAGES["docs/architecture.md"], re.MULTILINE)


def test_the_floors_of_the_page_are_the_floors() -> None:
    section = PAGES["docs/architecture.md"].partition("\n## The floors\n")[2].partition("\n## ")[0]
    assert re.findall(r"^\d+\. \*\*(.*?)\*\*: .+$", section, re.MULTILINE) == list(FLOORS)


@together(("page", "named"), [(page, name) for page in PAGES for name in NAMED.findall(PAGES[page])])
def test_whatever_a_page_names_is_there(page: str, named: str) -> None:
    assert (ROOT / named).exists(), f"{page} names {named}"


def test_a_module_of_a_room_that_the_page_names_is_in_that_room() -> None:
    rows = re.findall(r"^\| `(gateway/[a-z]+/)` \| (.*) \|$", PAGES["docs/architecture.md"], re.MULTILINE)
    for room_of, told in rows:
        for name in re.findall(r"`([a-z_]+\.(?:py|toml))`", told):
            assert (ROOT / room_of / name).is_file(), f"{room_of} has no {name}"


def test_a_name_stands_once() -> None:
    classes = [
        node.name for path in GATEWAY.values() for node in ast.walk(tree(path)) if isinstance(node, ast.ClassDef)
    ]
    stems = [path.stem for name, path in GATEWAY.items() if not within(name, "gateway.cli") and path.stem != "__init__"]
    assert [name for name, count in Counter(classes).items() if count > 1] == []
    assert [name for name, count in Counter(stems).items() if count > 1] == ["routes"]  # each door's way in


def test_every_room_is_installed() -> None:
    installed = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["tool"]["setuptools"]["packages"]
    assert {f"gateway.{name}" for name in ROOMS} <= {*installed}


def test_there_are_not_too_many_modules_and_not_too_many_imports() -> None:
    lines = sum(len(path.read_text("utf-8").splitlines()) for path in GATEWAY.values())
    imported = sum(
        (node.end_lineno or 0) - node.lineno + 1
        for path in GATEWAY.values()
        for node in ast.walk(tree(path))
        if isinstance(node, ast.Import | ast.ImportFrom)
    )
    assert len(GATEWAY) <= MOST_MODULES
    assert imported <= MOST_IMPORTS * lines
