"""The page for the night leads somewhere: each cause to a command that there is, and to a word that it can print."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from gateway import rules
from gateway.certs import findings
from gateway.cli.manual import commands
from gateway.diagnosis import reasons
from tests.together import together

ROOT = Path(__file__).parent.parent
PAGE = (ROOT / "docs" / "troubleshooting.md").read_text("utf-8")
DATA = json.loads((ROOT / "tests" / "data" / "manual_statements.json").read_text("utf-8"))
CAUSES = re.findall(
    r"^\| ([^|]+) \| `motion-gateway ([a-z -]+?)(?: [A-Z]+)?` \| ([^|]+) \| [^|]+ \|$",
    PAGE.partition("\n## From the cause to the command\n")[2],
    re.MULTILINE,
)
STABLE = {row["id"] for row in rules.read("complaints.toml")["complaint"]} | {*findings.FINDINGS}


def test_every_cause_that_was_promised_has_its_row_and_no_other_stands_there() -> None:
    assert [cause for cause, _, _ in CAUSES] == DATA["causes"]


@together(("cause", "command", "prints"), CAUSES, ids=[cause for cause, _, _ in CAUSES])
def test_a_cause_leads_to_a_command_and_to_a_word_that_it_can_print(cause: str, command: str, prints: str) -> None:
    assert f"motion-gateway {command}" in dict(commands()), cause
    words = re.findall(r"`([^`]+)`", prints)
    assert words, cause
    assert [word for word in words if word not in STABLE and reasons.explain(word) is None] == []


PLANTED = "".join(
    path.read_text("utf-8") for path in sorted((ROOT / "tests").rglob("test_*.py")) if path.name != Path(__file__).name
)


@together(("cause", "prints"), [(cause, prints) for cause, _, prints in CAUSES], ids=[cause for cause, _, _ in CAUSES])
def test_what_a_cause_prints_is_seen_by_a_test_that_plants_it(cause: str, prints: str) -> None:
    words = [word for word in re.findall(r"`([^`]+)`", prints) if word in STABLE]
    assert [word for word in words if f'"{word}"' not in PLANTED] == [], cause


@pytest.mark.parametrize("cell", DATA["symptoms"])
def test_every_column_of_the_manuals_table_has_its_section(cell: str) -> None:
    section = PAGE.partition(f"\n## {DATA['symptoms'][cell]}\n")[2].partition("\n## ")[0]
    assert section.count("\n| ") > 2
    assert "`motion-gateway " in section


@together("statement", DATA["statements"], ids=lambda row: row["statement"])
def test_every_statement_of_the_manual_is_said_where_it_belongs(statement: dict[str, str]) -> None:
    said = " ".join((ROOT / statement["where"]).read_text("utf-8").split())
    assert statement["words"] in said


TABLES = [row for row in re.findall(r"^\|.*\|$", PAGE, re.MULTILINE) if not row.startswith("|---")]
SAID = ("cannot answer", "never shown as delivered or read", "shows an error", "comes twice", "message is missing")


def test_who_reads_one_row_alone_knows_what_to_look_at() -> None:
    assert [row for row in TABLES if any(not cell.strip() for cell in row.strip("|").split("|"))] == []


def test_what_people_say_leads_on_and_one_thing_has_one_name() -> None:
    symptoms = PAGE.partition("| what people say |")[2].partition("\n\n")[0]
    assert [words for words in SAID if words not in symptoms] == []
    assert PAGE.count("third door") == 1, "where it is said what the private door is"
    assert PAGE.index("`motion-gateway webhook show`") < PAGE.index("Sinch's console, ")


LEADS = {
    "We see it and cannot answer": "`sinch.dispatch_mode`",
    "Everything comes twice": "`motion-gateway webhook sync` deletes it",
    "One customer's message is missing": "`motion-gateway doctor` first",
    "Motion shows an error when I answer": "`motion-gateway sends show ID`",
    "`sinch.trigger_messages`; or": "later than the time you noted",
    "`sinch.trigger_reports`; or": "no report later than the last answer",
}


@together(("row", "leads_to"), LEADS.items(), ids=LEADS)
def test_a_row_names_the_command_that_tells_and_what_would_mislead(row: str, leads_to: str) -> None:
    assert [leads_to in line for line in TABLES if row in line] == [True]


def test_what_changes_something_is_named_before_the_first_command() -> None:
    before = PAGE.partition("\n1. ")[0]
    assert [name for name in ("webhook sync", "events replay") if f"`{name}`" not in before] == []
