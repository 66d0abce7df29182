"""Every code that the manual and Sinch list has its row, and the row that says most is the one that is told."""

from __future__ import annotations

import json
import re
from itertools import chain
from pathlib import Path

import pytest

from gateway.cli import group
from gateway.cli.manual import commands
from gateway.config import tables
from gateway.diagnosis import reasons
from gateway.outbound import record, refusals
from gateway.phrases import Finding, Reason
from gateway.store import turned_away

ROOT = Path(__file__).parent.parent

# Copied from XCALLY's manual, by its own headings, and from Sinch's and Meta's lists.
LISTED = json.loads((Path(__file__).parent / "data" / "reason_codes.json").read_text("utf-8"))
MANUAL = LISTED.pop("manual")


def test_every_code_of_the_manual_of_sinch_and_of_this_gateway_has_its_row() -> None:
    listed = {*chain.from_iterable((*MANUAL.values(), *LISTED.values())), *refusals.rows()}
    assert len(listed) > 80
    assert {code for code in listed if code not in reasons.known()} == set()


def test_who_acts_is_whom_the_manual_names() -> None:
    named = {who: codes for who, codes in MANUAL.items() if who != "common"}
    assert {who: [code for code in codes if reasons.known()[code].who != who] for who, codes in named.items()} == {
        who: [] for who in named
    }


def test_every_row_says_all_in_sentences_and_what_is_the_case_stands_in_none() -> None:
    for row in reasons.known().values():
        told = dict(reasons.facts(row))
        assert all(told.values())
        assert told["meaning"].endswith((".", "…"))
        assert told["what to do"].endswith((".", "…"))
        assert "{" not in row.sentence + row.remedy


SAID = {
    "the code": (("MEDIA_TOO_LARGE", "UNSPECIFIED_SUB_CODE", "131053"), "MEDIA_TOO_LARGE"),
    "its sub code, which says more": (("CHANNEL_FAILURE", "INACTIVE_SENDER", "131053"), "INACTIVE_SENDER"),
    "the channel code beside a vague code": (("CHANNEL_FAILURE", "UNSPECIFIED_SUB_CODE", "131026"), "131026"),
    "the code, where all are vague": (("CHANNEL_FAILURE", "UNSPECIFIED_SUB_CODE", "131000"), "CHANNEL_FAILURE"),
    "a file that WhatsApp does not take": (("CHANNEL_FAILURE", "UNSPECIFIED_SUB_CODE", "131053"), "131053"),
    "the channel code beside an unknown one": (("NEW_CODE", "", "131047"), "131047"),
    "a code alone, as somebody types it": ((" media-not-reachable ",), "MEDIA_NOT_REACHABLE"),
    "a refusal of ours": (("APP_NOT_CONFIGURED",), "APP_NOT_CONFIGURED"),
}


@pytest.mark.parametrize(("given", "told"), SAID.values(), ids=SAID)
def test_it_explains(given: tuple[str, ...], told: str) -> None:
    meaning = reasons.explain(*given)
    assert meaning
    assert meaning.code == told


@pytest.mark.parametrize("code", ["", "NEW_CODE", "999999"])
@pytest.mark.parametrize("beside", [("", None), ("UNSPECIFIED_SUB_CODE", "888888")])
def test_what_is_not_known_has_no_meaning(code: str, beside: tuple[str, str | None]) -> None:
    assert reasons.explain(code, *beside) is None


@pytest.mark.parametrize(
    ("typed", "meant"),
    [("chanel_failure", "CHANNEL_FAILURE"), ("windw", "OUTSIDE_ALLOWED_SENDING_WINDOW"), ("13104", "131047")],
)
def test_a_near_miss_is_found(typed: str, meant: str) -> None:
    assert meant in reasons.near(typed)


def test_of_nothing_nothing_is_near() -> None:
    assert reasons.near(" ") == []


OURS = {
    "a status of Motion's": ("404", "status 404"),
    "the outcome of a parked event": ("404: 5 tries failed while others arrived", "status 404"),
    "an outcome at the proxy": ("proxy: connection refused: retry_for is over", "proxy: connection refused"),
    "why a file is not here": ("MEDIA_NOT_REACHABLE: gone at Motion", "MEDIA_NOT_REACHABLE: gone at Motion"),
    "what was turned away": ("Signature wrong", "signature wrong"),
    "trouble with the spool": ("spool disk full", "spool disk full"),
}


@pytest.mark.parametrize(("given", "told"), OURS.values(), ids=OURS)
def test_it_explains_what_this_gateway_says_itself(given: str, told: str) -> None:
    meaning = reasons.explain(given)
    assert meaning
    assert meaning.code == told


TURNED_AWAY = {
    "a callback": ("ingress", "body too large", "operator", "Raise ingress.max_body if it was Sinch."),
    "a call of Motion's": ("outbound", "BODY_TOO_LARGE", "xcally", "Send less at once: media travels as links"),
    "what another release counts": ("another", "Signature wrong", "operator", "Type the same secret"),
}


@pytest.mark.parametrize(("door", "reason", "who", "remedy"), TURNED_AWAY.values(), ids=TURNED_AWAY)
def test_what_was_turned_away_is_explained_by_the_door_that_did_it(
    door: str, reason: str, who: str, remedy: str
) -> None:
    meaning = reasons.of_turned_away(door, reason)
    assert meaning
    assert (meaning.who, meaning.remedy[: len(remedy)]) == (who, remedy)


def test_every_finding_every_reason_of_the_log_and_all_that_is_turned_away_is_explained() -> None:
    turned = [reason for _door, reason in turned_away.kinds()]
    assert [code for code in (*Finding, *Reason, *turned) if reasons.explain(code) is None] == []


@pytest.mark.parametrize("outcome", ["200", "same event as 5"])
def test_what_went_well_needs_no_explanation(outcome: str) -> None:
    assert reasons.explain(outcome) is None


def test_what_was_refused_here_is_explained_by_who_acts_on_a_refusal_and_in_its_own_words() -> None:
    told = reasons.of_refusal("CHANNEL_FAILURE", sentence="Meta does not support GIF.", remedy="Save it as PNG.")
    assert told
    assert (told.who, told.sentence, told.remedy) == ("agent", "Meta does not support GIF.", "Save it as PNG.")


REFUSED = {
    "a file that is gone": ("MEDIA_NOT_REACHABLE", str(Reason.GONE)),
    "a file that Motion cannot give now": ("MEDIA_NOT_NOW", "Motion failed"),
    "a link that leads nowhere": ("MEDIA_NOT_REACHABLE", str(Reason.NOWHERE)),
}


@pytest.mark.parametrize(("code", "cause"), REFUSED.values(), ids=REFUSED)
def test_who_acts_on_a_file_that_could_not_be_had_is_told_by_the_cause_everywhere(code: str, cause: str) -> None:
    refused = refusals.Refused(code, reason=cause.rpartition(": ")[2])
    assert reasons.of_outcome(code, record.REFUSED, refused.says) == reasons.explain(cause)


def test_where_the_cause_is_not_known_the_refusal_tells() -> None:
    told = reasons.of_outcome("MEDIA_NOT_NOW", record.REFUSED, refusals.Refused("MEDIA_NOT_NOW", reason="so").says)
    assert told
    assert told.who == "wait"


OUTCOMES = {
    "an error of Sinch's on a message that may have been sent": ("INTERNAL_ERROR", record.UNKNOWN, "SEND_FATE_UNKNOWN"),
    "no answer at all": ("SEND_FATE_UNKNOWN", record.UNKNOWN, "SEND_FATE_UNKNOWN"),
    "a no of Sinch's": ("NOT_FOUND", record.REJECTED, "NOT_FOUND"),
    "one that went well": ("", record.ACCEPTED, None),
}


@pytest.mark.parametrize(("code", "outcome", "told"), OUTCOMES.values(), ids=OUTCOMES)
def test_nobody_is_told_to_send_again_what_may_have_been_sent(code: str, outcome: str, told: str | None) -> None:
    meaning = reasons.of_outcome(code, outcome)
    assert (meaning.code if meaning else None) == told
    assert outcome != record.UNKNOWN or (meaning and meaning.retry == "no")


def test_a_refusal_is_told_by_who_acts_on_it() -> None:
    assert reasons.of_outcome("CHANNEL_FAILURE", record.REFUSED) == reasons.of_refusal("CHANNEL_FAILURE")


def test_whatever_a_remedy_names_is_there() -> None:
    typed = {words for words, _ in commands()} | {f"motion-gateway {name}" for name in group.commands}
    known = {f"{table}.{key}" for table, model in tables.TABLES.items() for key in tables.keys(model)}
    for row in reasons.known().values():
        for command in re.findall(r"`(motion-gateway [a-z-]+(?: [a-z]+)?)", row.remedy):
            assert command in typed, row.code
        for setting in re.findall(rf"(?<![\w.])(?:{'|'.join(tables.TABLES)})\.(?!com|md|sqlite)[a-z_]+", row.remedy):
            assert setting in known, row.code
        for page in re.findall(r"docs/[a-z-]+\.md", row.remedy):
            assert (ROOT / page).is_file(), row.code
