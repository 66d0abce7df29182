"""The documentation names what operators meet: settings, commands, answers, reasons, findings, make targets."""

from __future__ import annotations

import re
import shlex
import tomllib
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from gateway import config, errors, phrases, store
from gateway.cli import group
from gateway.cli.manual import commands
from gateway.config import tables
from gateway.diagnosis import complaint
from gateway.doors import DOORS
from gateway.ingress import intake
from gateway.outbound import record, window
from gateway.phrases import Reason
from gateway.store import audit, reports, turned_away
from tests import command_list
from tests.together import together

ROOT = Path(__file__).parent.parent
GATEWAY = ROOT / "gateway"
README = ROOT / "README.md"
DOCS = sorted((ROOT / "docs").glob("*.md"))
OTHERS = ("CHANGELOG.md", "CONTRIBUTING.md", "SECURITY.md", "certs/README.md", "nginx/README.md")
BESIDE = [ROOT / name for name in OTHERS]
PAGES = [README, *BESIDE, *DOCS]
TEXT = "\n".join(page.read_text("utf-8") for page in PAGES)

# What stands in `code`, block or inline, is what an operator types and reads.
_CODE = re.compile(r"```.*?```|``.+?``|`[^`\n]+`", re.DOTALL)
CODE = "\n".join(_CODE.findall(TEXT))

# A command as it is typed: at the start of a line or of inline code, after a prompt, or after what runs it; up to what
# the shell does with it, or to what is said of it.
TYPED = re.compile(
    r"(?:^|`|\$ |sudo |exec |-u motion-gateway )(motion-gateway -?[a-z](?:(?!   )[^\n`|>#;&)…])*)", re.MULTILINE
)

# A file or a folder of tests, and perhaps one test in it.
PROOF = re.compile(r"(?<![\w/])(tests/[\w/]*\w(?:\.py)?)(?:::(test_\w+))?")
PROOFS = sorted(set(PROOF.findall(TEXT)))

LINK = re.compile(r"\]\(([^)\s]+)\)")
HEADING = re.compile(r"^#+ (.+)$", re.MULTILINE)
# Folders of whoever wrote a page; an operator has them too, but never means them.
PLACE_OF_THE_WRITER = re.compile(r"/work/|/root\b|/home/|(?<!/var)/tmp\b")


def stands(name: str, text: str = CODE) -> bool:
    """Whether `name` stands in `text`, and not merely as a part of a longer name."""
    return re.search(rf"(?<![\w-]){re.escape(name)}(?![\w-])", text) is not None


def settings() -> list[str]:
    return [f"{table}.{key}" for table, model in tables.TABLES.items() for key in tables.keys(model)]


def options() -> Iterator[str]:
    for _, command in [("", group), *commands()]:
        for parameter in command.params:
            if isinstance(parameter, click.Option):
                yield from parameter.opts
        yield from command.get_help_option_names(click.Context(command, help_option_names=["-h", "--help"]))


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


@together("setting", settings())
def test_every_setting_is_explained(setting: str) -> None:
    assert stands(setting, (ROOT / "docs" / "settings.md").read_text("utf-8"))


def test_the_lists_of_commands_and_of_complaints_are_made_of_them() -> None:
    page = command_list.PAGE.read_text("utf-8")
    assert page == command_list.written(page), "run `make commands`"


@together("command", [words for words, _ in commands()])
def test_every_command_is_explained(command: str) -> None:
    assert stands(command)


@together("option", sorted(set(options())))
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


def test_the_findings_are_those_of_the_page() -> None:
    section = (ROOT / "docs" / "logs.md").read_text("utf-8").partition("\n## Findings\n")[2]
    assert re.findall(r"^\| `([a-z-]+)` \|", section.partition("\n## ")[0], re.MULTILINE) == list(phrases.Finding)


@together("reason", sorted({*phrases.Reason} - phrases.REWORDED))
def test_every_reason_is_explained(reason: str) -> None:
    assert reason in CODE


@pytest.mark.parametrize(
    "outcome", [*(outcome.value for outcome in intake.Outcome), Reason.SIGNATURE_TOO_OLD, Reason.NONCE_REUSED]
)
def test_every_outcome_of_a_callback_is_explained(outcome: str) -> None:
    kept_under_their_reason = {intake.Outcome.STALE.value, intake.Outcome.NONCE_REUSED.value}
    assert outcome in kept_under_their_reason or outcome in CODE


@together("kind", turned_away.kinds(), ids=" ".join)
def test_every_kind_of_what_is_turned_away_is_explained(kind: tuple[str, str]) -> None:
    section = (ROOT / "docs" / "operations.md").read_text("utf-8").partition("\n## What was turned away\n")[2]
    door, reason = kind
    row = re.search(rf"^\| `{re.escape(reason)}` \| (.*?) \|", section.partition("\n## ")[0], re.MULTILINE)
    assert f"`{door}`" in row[1] if row else door == "outbound" and stands(f"`{reason}`", section)


@pytest.mark.parametrize("state", store.STATES)
def test_every_state_of_an_event_is_explained(state: str) -> None:
    assert stands(state)


@together("word", [*record.OUTCOMES, *reports.FATES])
def test_every_outcome_and_every_fate_of_what_was_sent_is_explained(word: str) -> None:
    section = (ROOT / "docs" / "operations.md").read_text("utf-8").partition("\n## What was sent\n")[2]
    assert stands(f"`{word}`", section.partition("\n## ")[0])


@together("action", [*audit.Action])
def test_every_action_that_is_recorded_is_explained(action: str) -> None:
    section = (ROOT / "docs" / "operations.md").read_text("utf-8").partition("\n## Who did what\n")[2]
    assert stands(f"`{action}`", section.partition("\n## ")[0])


@pytest.mark.parametrize("standing", [window.OPEN, window.CLOSED, window.UNKNOWN])
def test_however_the_window_for_answers_stands_is_explained(standing: str) -> None:
    section = (ROOT / "docs" / "operations.md").read_text("utf-8").partition("\n## What was sent\n")[2]
    assert f"`{standing}`" in section.partition("\n## ")[0]


@together("line", [*phrases.Line, *DOORS])
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


@together("target", targets())
def test_every_make_target_is_explained_to_developers(target: str) -> None:
    assert stands(f"make {target}", (ROOT / "CONTRIBUTING.md").read_text("utf-8"))


def test_no_page_tells_of_a_setting_that_does_not_exist() -> None:
    told = set(re.findall(r"`((?:" + "|".join(tables.TABLES) + r")\.(?!sock|py|toml)[a-z_]+)`", TEXT))
    assert told
    assert told <= {*settings(), *complaint.rows()}


@together("line", sorted(set(TYPED.findall(CODE.replace("\\|", "|").replace("\\\n", " ")))))
def test_every_command_that_a_page_shows_can_be_typed(line: str) -> None:
    words, known = shlex.split(line), dict(commands())
    for count in range(2, len(words) + 1):
        if command := known.get(" ".join(words[:count])):
            _, left, _ = command.make_parser(click.Context(command)).parse_args(words[count:])
            assert not left
            return
    assert any(name.startswith(" ".join(words) + " ") for name in known), "neither a command nor a group of them"


def test_no_page_tells_of_a_make_target_that_does_not_exist() -> None:
    told = set(re.findall(r"\bmake ([a-z-]+)", CODE))
    assert told
    assert told <= set(targets())


@together(("page", "target"), [pytest.param(p, t, id=f"{p.name}: {t}") for p, t in links()])
def test_every_link_leads_somewhere(page: Path, target: str) -> None:
    file, _, anchor = target.partition("#")
    there = page.parent / file if file else page
    assert there.is_file()
    assert not anchor or anchor in anchors(there)


@together("proof", PROOFS, ids="::".join)
def test_every_proof_that_is_named_is_there(proof: tuple[str, str]) -> None:
    file, test = proof
    assert f"\ndef {test}(" in (ROOT / file).read_text("utf-8") if test else (ROOT / file).exists()


def test_each_line_of_what_makes_it_different_has_its_proof() -> None:
    section = README.read_text("utf-8").partition("\n## What makes it different\n")[2].partition("\n## ")[0]
    lines = re.split(r"^\d+\. ", section, flags=re.MULTILINE)[1:]
    assert [line for line in lines if not PROOF.search(line) and "](docs/performance.md#" not in line] == []


def test_what_the_readme_tells_of_the_flood_was_measured() -> None:
    told = re.search(
        r"flood of forgeries.*: ([\d,]+) of them a second under it, ([\d,]+) after", README.read_text("utf-8")
    )
    assert told
    measured = " ".join((ROOT / "docs" / "performance.md").read_text("utf-8").split())
    assert f"{told[1]}/s under the flood and {told[2]}/s after it" in measured


def test_every_picture_that_is_shown_is_there() -> None:
    pictures = re.compile(r"!\[[^\]]*\]\(([^)]+)\)|(?:src|srcset)=\"([^\"]+)\"")
    shown = {page.parent / (one or other) for page in PAGES for one, other in pictures.findall(page.read_text("utf-8"))}
    assert shown
    assert {picture for picture in shown if not picture.is_file()} == set()


def test_the_readme_leads_to_every_page() -> None:
    told = {target.partition("#")[0] for page, target in links() if page == README}
    assert {str(page.relative_to(ROOT)) for page in DOCS} <= told


def test_the_site_leads_to_every_page() -> None:
    led_to = set(re.findall(r": ([\w/-]+\.md)$", (ROOT / "mkdocs.yml").read_text("utf-8"), re.MULTILINE))
    assert led_to == {str(page.relative_to(ROOT)) for page in PAGES}


@together("page", PAGES, ids=lambda page: page.name)
def test_no_page_names_a_folder_of_whoever_wrote_it(page: Path) -> None:
    assert not PLACE_OF_THE_WRITER.findall(page.read_text("utf-8"))


def test_every_setting_in_an_example_exists() -> None:
    shown = [
        tomllib.loads(block)
        for page in PAGES
        for block in re.findall(r"```toml\n(.*?)```", page.read_text("utf-8"), re.DOTALL)
    ]
    rows = [
        (table, row)
        for tables_in in shown
        for table, told in tables_in.items()
        for row in (told if isinstance(told, list) else [told])
    ]
    assert {f"{table}.{key}" for table, row in rows for key in row} <= set(settings())


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
