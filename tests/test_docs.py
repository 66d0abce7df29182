"""The documentation names what operators meet: settings, commands, answers, reasons, findings, make targets."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from gateway import config, errors, motion, store
from gateway.attachments import decision, fetch, vault
from gateway.cli import Later, group
from gateway.config import tables
from gateway.delivery import claims
from gateway.doors import DOORS
from gateway.ingress import intake
from gateway.motion import download
from gateway.ops import routes
from gateway.outbound import files, record
from gateway.store import reports, sqlite
from gateway.upstream import exchange, stream

ROOT = Path(__file__).parent.parent
GATEWAY = ROOT / "gateway"
README = ROOT / "README.md"
DOCS = sorted((ROOT / "docs").glob("*.md"))
PAGES = [README, ROOT / "CHANGELOG.md", *DOCS]
TEXT = "\n".join(page.read_text("utf-8") for page in PAGES)

# What stands in `code`, block or inline, is what an operator types and reads.
_CODE = re.compile(r"```.*?```|``.+?``|`[^`\n]+`", re.DOTALL)
CODE = "\n".join(_CODE.findall(TEXT))

# A command as it is typed: at the start of a line or of inline code, after a prompt, or after `sudo -u`.
TYPED = re.compile(r"(?:^|`|\$ |-u motion-gateway )motion-gateway ([a-z][a-z-]*)(?: ([a-z][a-z-]*))?", re.MULTILINE)

LINK = re.compile(r"\]\(([^)\s]+)\)")
HEADING = re.compile(r"^#+ (.+)$", re.MULTILINE)
# Folders of whoever wrote a page; an operator has them too, but never means them.
PLACE_OF_THE_WRITER = re.compile(r"/work/|/root\b|/home/|(?<!/var)/tmp\b")

DOOR_VIEWS = (
    "ingress",
    "ops",
    "attachments/routes.py",
    *(f"outbound/{name}.py" for name in ("routes", "files", "forward")),
)
REASONS_RAISED_IN = (
    "app.py",
    "store",
    "upstream",
    "delivery/claims.py",
    "delivery/records.py",
    "outbound/record.py",
    *DOOR_VIEWS,
)


def stands(name: str, text: str = CODE) -> bool:
    """Whether `name` stands in `text`, and not merely as a part of a longer name."""
    return re.search(rf"(?<![\w-]){re.escape(name)}(?![\w-])", text) is not None


def parsed(place: str = "") -> Iterator[ast.AST]:
    """Every node of every module of the gateway, or of those in `place`."""
    where = GATEWAY / place
    for path in [where] if where.is_file() else sorted(where.rglob("*.py")):
        yield from ast.walk(ast.parse(path.read_text("utf-8")))


def name_of(call: ast.Call) -> str:
    return getattr(call.func, "attr", "") or getattr(call.func, "id", "")


def texts_in(node: ast.AST) -> Iterator[str]:
    """The texts that are written out in `node`, whichever of them it picks; of an f-string the fixed parts.

    What is looked up in a table is not written out.
    """
    if isinstance(node, ast.Subscript):
        return
    for part in ast.walk(node):
        if isinstance(part, ast.Constant) and isinstance(part.value, str) and part.value.strip():
            yield part.value.strip()


def settings() -> list[str]:
    return [f"{table}.{key}" for table, model in tables.TABLES.items() for key in tables.keys(model)]


def commands(command: click.Command, path: tuple[str, ...] = ()) -> Iterator[tuple[str, click.Command]]:
    """Every command that can be typed, by its words."""
    command = command.loaded() if isinstance(command, Later) else command
    if isinstance(command, click.Group):
        for name, below in command.commands.items():
            yield from commands(below, (*path, name))
    else:
        yield " ".join(("motion-gateway", *path)), command


def options() -> Iterator[str]:
    for _, command in [("", group), *commands(group)]:
        for parameter in command.params:
            if isinstance(parameter, click.Option):
                yield from parameter.opts
        yield from command.get_help_option_names(click.Context(command, help_option_names=["-h", "--help"]))


def findings() -> Iterator[str]:
    for node in parsed():
        if isinstance(node, ast.Call) and name_of(node) == "_find":
            yield from texts_in(node.args[0])
        if isinstance(node, ast.keyword) and node.arg == "finding":
            yield from texts_in(node.value)


def reasons() -> Iterator[str]:
    """The phrases given to our error classes, or as a `reason`, where an operator reads them in a line."""
    classes = {name for name, value in vars(errors).items() if isinstance(value, type) and name != "CommandError"}
    yield from (*sqlite.REASONS.values(), sqlite.FAILED, routes.NOBODY)
    yield from (words for _ours, words in exchange.WORDS.values())
    for module in (motion, decision, download, fetch, vault, stream, files):
        named = {name: value for name, value in vars(module).items() if name.isupper() and isinstance(value, str)}
        yield from (value for name, value in named.items() if " " in value and not name.startswith("_"))
    for place in REASONS_RAISED_IN:
        for node in parsed(place):
            if isinstance(node, ast.Call) and name_of(node) in classes and node.args:
                yield from texts_in(node.args[0])
            if isinstance(node, ast.keyword) and node.arg == "reason":
                yield from texts_in(node.value)


def limits() -> Iterator[str]:
    """A limit names what it counts: `limit of webhooks per account`."""
    for place in DOOR_VIEWS:
        for node in parsed(place):
            asked = isinstance(node, ast.Call) and (name_of(node), len(node.args)) in (("require", 3), ("limited", 2))
            if isinstance(node, ast.Call) and asked:
                yield from (f"limit of {what}" for what in texts_in(node.args[1]))


def parkings() -> Iterator[str]:
    yield claims.KILLED_COURIERS
    for node in parsed("delivery"):
        if isinstance(node, ast.Call) and name_of(node) == "Park":
            yield from texts_in(node.args[0])


def lines() -> Iterator[str]:
    """What kinds of lines there are in the log: the first word of each call that writes one."""
    for node in parsed():
        if isinstance(node, ast.Call) and name_of(node) in ("note", "decision", "failure") and node.args:
            yield from texts_in(node.args[0])
    yield from DOORS


def targets() -> list[str]:
    return re.findall(r"^([a-z-]+):.*## ", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE)


def links() -> Iterator[tuple[Path, str]]:
    for page in PAGES:
        for target in LINK.findall(page.read_text("utf-8")):
            if not re.match(r"https?://", target):
                yield page, target


def anchors(page: Path) -> set[str]:
    """The anchors of a page's headings, as GitHub makes them."""
    titles = HEADING.findall(page.read_text("utf-8"))
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


@pytest.mark.parametrize("setting", settings())
def test_every_setting_is_explained(setting: str) -> None:
    assert stands(setting, (ROOT / "docs" / "settings.md").read_text("utf-8"))


@pytest.mark.parametrize("command", [words for words, _ in commands(group)])
def test_every_command_is_explained(command: str) -> None:
    assert stands(command)


@pytest.mark.parametrize("option", sorted(set(options())))
def test_every_option_is_explained(option: str) -> None:
    assert stands(option)


@pytest.mark.parametrize("door", DOORS)
def test_every_door_is_named(door: str) -> None:
    assert stands(door)


@pytest.mark.parametrize("status", errors.CODES)
def test_every_status_and_its_code_are_named_and_every_body_that_is_sent_stands_there_as_it_is(status: int) -> None:
    assert stands(str(status), TEXT)
    assert stands(errors.CODES[status])
    assert status == 500 or errors.body(status).decode() in CODE


@pytest.mark.parametrize("finding", sorted(set(findings())))
def test_every_finding_has_a_row_among_the_findings(finding: str) -> None:
    section = (ROOT / "docs" / "logs.md").read_text("utf-8").partition("\n## Findings\n")[2]
    assert f"\n| `{finding}` |" in section.partition("\n## ")[0]


def test_the_findings_are_found() -> None:
    known = {"clock-skew", "dispatch-mode", "foreign-app", "nonce-reused", "motion-down", "event-parked"}
    assert known | {"spool-unavailable", "limits-storage-away"} <= set(findings())


@pytest.mark.parametrize("reason", sorted({*reasons(), *limits(), *parkings()}))
def test_every_reason_is_explained(reason: str) -> None:
    assert reason in CODE


@pytest.mark.parametrize(
    "outcome", [*(outcome.value for outcome in intake.Outcome), intake.TOO_OLD, intake.NONCE_REUSED]
)
def test_every_outcome_of_a_callback_is_explained(outcome: str) -> None:
    kept_under_their_reason = {intake.Outcome.STALE.value, intake.Outcome.NONCE_REUSED.value}
    assert outcome in kept_under_their_reason or outcome in CODE


def test_the_reasons_are_found() -> None:
    assert {"signature wrong", "unknown connector", "spool locked", "connection refused"} <= set(reasons())
    assert {"limit of webhooks per account", "limit of fetches per attachment"} <= set(limits())
    assert "retry_for is over" in set(parkings())


@pytest.mark.parametrize("state", store.STATES)
def test_every_state_of_an_event_is_explained(state: str) -> None:
    assert stands(state)


@pytest.mark.parametrize("word", [*record.OUTCOMES, *reports.FATES])
def test_every_outcome_and_every_fate_of_what_was_sent_is_explained(word: str) -> None:
    section = (ROOT / "docs" / "operations.md").read_text("utf-8").partition("\n## What was sent\n")[2]
    assert stands(f"`{word}`", section.partition("\n## ")[0])


@pytest.mark.parametrize("line", sorted(set(lines())))
def test_every_kind_of_line_is_explained(line: str) -> None:
    assert stands(line, (ROOT / "docs" / "logs.md").read_text("utf-8"))


@pytest.mark.parametrize("name", sorted({config.VARIABLE_PREFIX.rstrip("_"), *config.RESERVED_VARIABLES}))
def test_every_name_of_the_environment_is_explained(name: str) -> None:
    assert name in CODE


def test_the_example_of_the_environment_is_a_setting() -> None:
    written = set(re.findall(rf"{config.VARIABLE_PREFIX}[A-Z]+__[A-Z_]+", TEXT))
    known = {config.VARIABLE_PREFIX + setting.replace(".", "__").upper() for setting in settings()}
    assert written
    assert written <= known


@pytest.mark.parametrize("target", targets())
def test_every_make_target_stands_in_the_readme(target: str) -> None:
    assert stands(f"make {target}", README.read_text("utf-8"))


def test_no_page_tells_of_a_setting_that_does_not_exist() -> None:
    told = set(re.findall(r"`((?:" + "|".join(tables.TABLES) + r")\.(?!sock)[a-z_]+)`", TEXT))
    assert told
    assert told <= set(settings())


def test_no_page_tells_of_a_command_that_does_not_exist() -> None:
    told = {" ".join(filter(None, words)) for words in TYPED.findall(CODE)}
    known = {words.removeprefix("motion-gateway ") for words, _ in commands(group)}
    groups = {name for name in group.commands if f"motion-gateway {name}" not in dict(commands(group))}
    assert told
    assert {words for words in told if words not in known | groups and words.split()[0] not in known} == set()


def test_no_page_tells_of_a_make_target_that_does_not_exist() -> None:
    told = set(re.findall(r"\bmake ([a-z-]+)", CODE))
    assert told
    assert told <= set(targets())


@pytest.mark.parametrize(("page", "target"), [pytest.param(p, t, id=f"{p.name}: {t}") for p, t in links()])
def test_every_link_leads_somewhere(page: Path, target: str) -> None:
    file, _, anchor = target.partition("#")
    there = page.parent / file if file else page
    assert there.is_file()
    assert not anchor or anchor in anchors(there)


def test_the_readme_leads_to_every_page() -> None:
    told = {target.partition("#")[0] for page, target in links() if page == README}
    assert {str(page.relative_to(ROOT)) for page in DOCS} <= told


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_no_page_names_a_folder_of_whoever_wrote_it(page: Path) -> None:
    assert not PLACE_OF_THE_WRITER.findall(page.read_text("utf-8"))


@pytest.mark.parametrize(
    "settings_in", [page for page in PAGES if "```toml" in page.read_text("utf-8")], ids=lambda p: p.name
)
def test_the_settings_that_a_page_shows_are_understood(settings_in: Path, tmp_path: Path) -> None:
    secrets = tmp_path / "secrets"
    secrets.write_text("a-secret-for-this-test\n")
    secrets.chmod(0o600)
    [shown] = re.findall(r"```toml\n(.*?)```", settings_in.read_text("utf-8"), re.DOTALL)
    file = tmp_path / "gateway.toml"
    file.write_text(re.sub(r'(_file = )".*?"', rf'\1"{secrets}"', shown), "utf-8")
    assert config.load(file, {}).accounts[0].connector_id == 7
