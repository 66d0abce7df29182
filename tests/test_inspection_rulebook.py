"""The rulebook: what ships is right, and every word that is wrong is told with its row."""

from __future__ import annotations

import copy
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from gateway import rules
from gateway.config import kinds
from gateway.errors import SettingsError
from gateway.inspection import filetypes, rulebook
from gateway.inspection.structure import Trait
from tests.together import together

Change = Callable[[dict[str, Any]], object]


def document() -> dict[str, Any]:
    return copy.deepcopy(rules.read(rulebook.FILE))


def refusal(change: Change) -> str:
    changed = document()
    change(changed)
    with pytest.raises(SettingsError) as caught:
        rulebook.understand(changed)
    return str(caught.value)


def gif(changed: dict[str, Any]) -> dict[str, Any]:
    [row] = [row for row in changed["profile"]["xcally-observed"]["row"] if row["name"] == "GIF"]
    return row


def test_the_profiles_are_those_of_the_settings() -> None:
    found = kinds.Profile.__origin__.__args__  # type: ignore[attr-defined]
    assert set(rulebook.load().profiles) == set(found)


def test_what_stands_on_another_profile_has_its_rows_first() -> None:
    profiles = rulebook.load().profiles
    ground = profiles["meta-cloud"]
    for name in ("xcally-observed", "strict"):
        assert profiles[name][-len(ground) :] == ground
        assert len(profiles[name]) > len(ground)


def test_every_source_is_cited_and_every_group_used() -> None:
    found = document()
    rows = [row for profile in found["profile"].values() for row in profile["row"]] + found["always"]
    assert {cited["source"] for cited in [*rows, *found["limit"]]} == set(found["sources"])
    used = {word for row in rows for word in row.get("types", ())}
    assert set(found["groups"]) <= used


def test_groups_are_spelled_out() -> None:
    for stack in rulebook.load().profiles.values():
        assert all(row.types <= filetypes.load().families.keys() for row in stack)


def test_the_documentation_shows_the_rows_for_every_profile() -> None:
    page = (Path(__file__).parent.parent / "docs" / "attachments.md").read_text("utf-8")
    section = page.partition("\n## Verdicts\n")[2].partition("\n### ")[0]
    for row in document()["always"]:
        assert re.search(
            rf"^\| {row['name']} \| [^|]+ \| `{row['verdict']}`, `{row['code']}` \|$", section, re.MULTILINE
        )


def test_the_documentation_shows_every_row_with_its_verdict_and_code() -> None:
    page = (Path(__file__).parent.parent / "docs" / "attachments.md").read_text("utf-8")
    for name, profile in document()["profile"].items():
        section = page.partition(f"\n### {name}\n")[2].partition("\n### ")[0]
        shown = dict(re.findall(r"^\| ([^|]+) \| [^|]+ \| `(.+)` \|$", section, re.MULTILINE))
        told = {row["name"]: "`, `".join([row["verdict"], *filter(None, [row.get("code")])]) for row in profile["row"]}
        assert shown == told


WRONG: dict[str, tuple[Change, str]] = {
    "an unknown trait": (lambda d: gif(d).update(any_of=["fluffy"]), "xcally-observed row 'GIF' any_of"),
    "an unknown type": (
        lambda d: gif(d).update(types=["image/gift"]),
        "row 'GIF' of 'xcally-observed': there is no type",
    ),
    "an unknown group": (lambda d: gif(d).update(types=["pictures"]), "there is no type or group 'pictures'"),
    "an unknown verdict": (lambda d: gif(d).update(verdict="perhaps"), "xcally-observed row 'GIF' verdict"),
    "an unknown code": (lambda d: gif(d).update(code="WHO_KNOWS"), "row 'GIF' code"),
    "an unknown category": (lambda d: gif(d).update(categories=["poem"]), "row 'GIF' categories"),
    "an unknown source": (
        lambda d: gif(d).update(source="hearsay"),
        "row 'GIF' of 'xcally-observed': there is no source",
    ),
    "an unknown key": (lambda d: gif(d).update(verdikt="link"), "row 'GIF' verdikt"),
    "a row without a reason": (lambda d: gif(d).pop("reason"), "row 'GIF' reason"),
    "a row with an empty reason": (lambda d: gif(d).update(reason=""), "row 'GIF' reason"),
    "a row without a source": (lambda d: gif(d).pop("source"), "row 'GIF' source"),
    "a row without a name": (lambda d: gif(d).pop("name"), "xcally-observed row"),
    "a refusal without a code": (lambda d: gif(d).pop("code"), "row 'GIF' of 'xcally-observed': a refusal has a code"),
    "a link with a code": (
        lambda d: gif(d).update(verdict="link"),
        "row 'GIF' of 'xcally-observed': a refusal has a code",
    ),
    "a refusal without a remedy": (
        lambda d: gif(d).pop("remedy"),
        "row 'GIF' of 'xcally-observed': a refusal says what",
    ),
    "a link without a remedy": (
        lambda d: d["profile"]["xcally-observed"]["row"][0].pop("remedy"),
        "row 'PDF' of 'xcally-observed': a refusal says what to do, and so does a link",
    ),
    "an unknown source above all profiles": (
        lambda d: d["always"][0].update(source="hearsay"),
        "row 'empty' for every profile: there is no source",
    ),
    "a name that stands above all profiles": (
        lambda d: gif(d).update(name="empty"),
        "profile 'xcally-observed': two rows have one name",
    ),
    "no such medium": (lambda d: gif(d).update(remedies={"poem": "Read it."}), "row 'GIF' remedies"),
    "a switch that is text": (lambda d: gif(d).update(too_large="yes"), "row 'GIF' too_large"),
    "a native row for everything": (
        lambda d: d["profile"]["meta-cloud"]["row"][-1].update(verdict="native"),
        "row 'all else' of 'meta-cloud': a native row names its types",
    ),
    "a native row for programs": (
        lambda d: d["profile"]["meta-cloud"]["row"][-2].update(types=["script"]),
        "row 'document' of 'meta-cloud': a native row names its types",
    ),
    "a profile without an end": (
        lambda d: d["profile"]["meta-cloud"]["row"].pop(),
        "profile 'meta-cloud': its last row must fit everything",
    ),
    "a profile without rows": (
        lambda d: d["profile"].update(mine={"about": "nothing", "row": []}),
        "profile 'mine': its last row must fit everything",
    ),
    "two rows of one name": (lambda d: gif(d).update(name="WAV"), "profile 'xcally-observed': two rows have one name"),
    "a profile on nothing": (
        lambda d: d["profile"]["strict"].update(on_top_of="x"),
        "profile 'strict': it can stand only",
    ),
    "a profile on itself": (
        lambda d: d["profile"]["strict"].update(on_top_of="strict"),
        "profile 'strict': it can stand only",
    ),
    "a profile on one that stands on one": (
        lambda d: d["profile"]["strict"].update(on_top_of="xcally-observed"),
        "profile 'strict': it can stand only",
    ),
    "a group of an unknown type": (
        lambda d: d["groups"]["office-old"].append("text/x"),
        "group 'office-old': there is no type",
    ),
    "a size without its unit": (lambda d: d["limit"][0].update(most="5"), "limit 0 most"),
    "a limit of nobody": (lambda d: d["limit"][0].update(whose="Nobody"), "limit 0 whose"),
    "a limit from nowhere": (lambda d: d["limit"][0].update(source="x"), "limit of image: there is no source 'x'"),
    "no limit of a category": (lambda d: d["limit"].pop(), "limit of document: there is none without traits"),
    "a table too many": (lambda d: d.update(extra={}), "extra"),
}


@together(("change", "told"), WRONG.values(), ids=WRONG)
def test_the_rules_are_refused_for(change: Change, told: str) -> None:
    assert told in refusal(change)


def test_all_that_is_wrong_is_told_at_once() -> None:
    def change(changed: dict[str, Any]) -> None:
        gif(changed)["verdict"] = "perhaps"
        changed["profile"]["strict"]["row"][0]["any_of"] = ["fluffy"]

    told = refusal(change)
    assert "row 'GIF' verdict" in told
    assert "row 'test virus' any_of" in told


@together("trait", list(Trait))
def test_a_trait_is_asked_for_or_known_to_change_nothing(trait: Trait) -> None:
    stacks = [rulebook.load().always, *rulebook.load().profiles.values()]
    asked = {word for stack in stacks for row in stack for word in row.any_of | row.none_of}
    limits = {word for limit in rulebook.load().limits for word in limit.any_of}
    changes_nothing = {Trait.FORMULA}  # told to people; files with it are what they are
    assert (trait in asked | limits) != (trait in changes_nothing)
