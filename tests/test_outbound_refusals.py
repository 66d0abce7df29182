"""The refusals of the outbound door: rows, in the form of Sinch's own errors."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from gateway.outbound import refusals
from gateway.outbound.refusals import Refused
from gateway.phrases import Reason
from gateway.sinch import Effect, SinchError, Trouble
from tests.together import together

FACTS = {
    "most": 1,
    "length": 2,
    "why": "x",
    "key": "k",
    "method": "PUT",
    "region": "eu",
    "reason": "r",
    "remedy": "m",
    "ago": "a",
}
DOCS = (Path(__file__).parent.parent / "docs" / "outbound.md").read_text("utf-8")


def told(refused: Refused) -> dict[str, Any]:
    error: dict[str, Any] = json.loads(refused.body)["error"]
    return error


@together("code", refusals.rows())
def test_every_refusal_has_the_form_of_sinchs_errors(code: str) -> None:
    refused = Refused(code, **FACTS)
    error = told(refused)
    assert set(error) == {"code", "message", "status", "details"}
    assert error["code"] == refused.status == refusals.rows()[code].status
    assert error["status"] == refusals.STATUSES[refused.status]
    assert error["message"].startswith(f"{code}: ")
    [info] = error["details"]
    assert info["reason"] == code
    assert info["metadata"] == {"says": refused.says, "remedy": refused.remedy, "who": refused.refusal.who}
    assert refused.headers[refusals.HEADER] == code
    assert ("Retry-After" in refused.headers) == (refused.status in (429, 503))


def test_a_refusal_tells_the_field_as_sinch_does() -> None:
    error = told(Refused("APP_MISSING", field="app_id"))
    violation = error["details"][1]
    assert violation["@type"] == "type.googleapis.com/google.rpc.BadRequest"
    assert violation["field_violations"][0]["field"] == "app_id"
    assert error["details"][0]["metadata"]["field"] == "app_id"


@together("code", refusals.rows())
def test_every_refusal_stands_in_the_docs_with_its_status(code: str) -> None:
    assert re.search(rf"^\| `{code}` \| {refusals.rows()[code].status} \|", DOCS, re.MULTILINE)


@together("effect", Effect)
@together("trouble", Trouble)
def test_why_sinch_has_no_answer_is_told_unless_nobody_knows_what_came_of_the_call(
    trouble: Trouble, effect: Effect
) -> None:
    unsent = refusals.of_sinch(SinchError(trouble, Reason.ANSWER_LATE, tries=3), effect)
    assert (unsent.code, unsent.tries) == (trouble.value, 3)
    assert (Reason.ANSWER_LATE in unsent.says) == ("{reason}" in refusals.rows()[trouble].says)
    sent = refusals.of_sinch(SinchError(trouble, Reason.ANSWER_LATE, sent=True), effect)
    assert sent.code == {Effect.SEND: "SEND_FATE_UNKNOWN", Effect.CHANGE: "CALL_FATE_UNKNOWN"}.get(
        effect, trouble.value
    )


WAITS = {"none": (None, "5"), "a while": (7.2, "8"), "none at all": (0.0, "0"), "a day": (86400.0, "3600")}


@pytest.mark.parametrize(("told", "header"), WAITS.values(), ids=WAITS)
def test_the_time_that_sinch_asks_for_is_passed_on(told: float | None, header: str) -> None:
    error = SinchError(Trouble.NO_TOKEN, Reason.ANSWER_NO_TOKEN, answered=429, retry_after_seconds=told)
    refused = refusals.of_sinch(error, Effect.SEND)
    assert (refused.status, refused.headers["Retry-After"]) == (503, header)
    assert refused.says.endswith(": answer gives no access token (status 429). Nothing was sent.")


def test_only_what_may_have_left_is_of_unknown_fate() -> None:
    unknown = {code for code, row in refusals.rows().items() if row.sent == "unknown"}
    assert unknown == {"SEND_FATE_UNKNOWN", "CALL_FATE_UNKNOWN"}


def test_whoever_shall_not_send_again_at_once_is_not_told_when() -> None:
    for code in ("SEND_FATE_UNKNOWN", "CALL_FATE_UNKNOWN"):
        assert "Retry-After" not in Refused(code, reason="r").headers
