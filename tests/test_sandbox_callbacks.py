"""The callbacks of simulated customers."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from sandbox import callbacks
from sandbox.callbacks import App
from sandbox.style import Style
from tests.together import together

PAYLOADS = json.loads((Path(__file__).parent / "data" / "sinch_callbacks.json").read_text("utf-8"))["payloads"]
TIMES = {"accepted_time", "accept_time", "event_time", "last_received"}


def strings(value, key=""):
    if isinstance(value, dict):
        return [found for name, inner in value.items() for found in strings(inner, name)]
    if isinstance(value, list):
        return [found for inner in value for found in strings(inner)]
    return [(key, value)] if isinstance(value, str) else []


def shape(value):
    if isinstance(value, dict):
        return {name: shape(inner) for name, inner in value.items()}
    return [shape(inner) for inner in value] if isinstance(value, list) else type(value)


def test_the_sandboxs_samples_are_those_of_the_tests():
    assert set(callbacks.names()) == set(PAYLOADS)


@together("name", PAYLOADS)
def test_a_sample_keeps_its_shape_and_its_order_of_keys(name):
    made = callbacks.sample(name)
    assert shape(made.content) == shape(PAYLOADS[name])
    assert list(made.content) == list(PAYLOADS[name])


@together("name", PAYLOADS)
def test_a_sample_has_the_customers_ids_and_none_of_the_originals(name):
    ours = App(app_id="01ARZ3NDEKTSV4RRFFQ69G5FAV", project_id="a-project", phone="39021111111")
    made = dict(callbacks.sample(name, by=callbacks.customer("bea"), app=ours).content)
    assert (made["app_id"], made["project_id"]) == (ours.app_id, ours.project_id)
    left = [text for _, text in strings(made) if re.fullmatch(r"01JQ8V[0-9A-Z]{20}|346\d{8}|3491\d+", text)]
    assert set(left) <= {callbacks.customer("bea").phone}
    assert not [text for key, text in strings(made) if key in TIMES and text.startswith("2026-03-04")]


def test_two_texts_of_one_customer_share_the_contact_and_differ_in_the_message():
    first, second = (callbacks.text("Hola", by=callbacks.customer("ana")).content["message"] for _ in range(2))
    assert first["contact_id"] == second["contact_id"]
    assert first["id"] != second["id"]


def test_two_customers_share_nothing():
    ana, bea = callbacks.customer("ana"), callbacks.customer("bea")
    assert len({ana.contact_id, bea.contact_id, ana.conversation_id, bea.conversation_id}) == 4
    assert ana.phone != bea.phone


def test_in_dispatch_mode_contact_and_conversation_are_empty_strings():
    message = callbacks.text("Hola", app=App(dispatch=True)).content["message"]
    assert (message["contact_id"], message["conversation_id"]) == ("", "")
    assert message["processing_mode"] == "DISPATCH"
    assert message["channel_identity"]["identity"]


def test_text_reaction_and_report_say_what_they_were_asked_to():
    text = callbacks.text("¿Sí?").content["message"]["contact_message"]["text_message"]["text"]
    reaction = callbacks.reaction("👍", to="abc").content["event"]["contact_message_event"]["reaction_event"]
    report = callbacks.report("FAILED-media", message_id="abc").content["message_delivery_report"]
    assert text == "¿Sí?"
    assert (reaction["emoji"], reaction["message_id"]) == ("👍", "abc")
    assert (report["status"], report["message_id"]) == ("FAILED", "abc")
    assert report["reason"]["code"] == "MEDIA_NOT_REACHABLE"


def test_a_report_gives_the_reason_that_it_is_told_and_keeps_the_rest():
    said = {"code": "CHANNEL_FAILURE", "description": "not taken"}
    reason = callbacks.report("FAILED-media", reason=said).content["message_delivery_report"]["reason"]
    assert reason == {**said, "sub_code": "UNSPECIFIED_SUB_CODE", "channel_code": "131053"}


@pytest.mark.parametrize("made", [callbacks.text("Hola"), callbacks.report("READ")], ids=["text", "report"])
def test_the_vendors_own_parser_understands_them(made):
    # Here, as it takes half a second, and each process of the tests collects all of them.
    from sinch.domains.conversation.sinch_events.v1 import ConversationSinchEvent

    body = Style().encode(made.content)
    assert ConversationSinchEvent().parse_event(body).app_id == made.content["app_id"]


@pytest.mark.parametrize(
    ("style", "begins", "ends"),
    [
        (Style(), b'{"app_id":"', "¿Sí?".encode()),
        (Style(pretty=True), b'{\n  "app_id": "', "¿Sí?".encode()),
        (Style(escaped=True), b'{"app_id":"', b"\\u00bfS\\u00ed?"),
        (Style(ending=b"\r\n"), b'{"app_id":"', b"}\r\n"),
    ],
    ids=["plain", "pretty", "escaped", "crlf"],
)
def test_a_style_changes_the_spelling_and_not_the_content(style, begins, ends):
    made = callbacks.text("¿Sí?")
    body = style.encode(made.content)
    assert body.startswith(begins)
    assert ends in body
    assert json.loads(body) == made.content


@pytest.mark.parametrize(
    ("style", "names"),
    [
        (Style(), ["content-type", "x-sinch-webhook-signature", "x-sinch-webhook-signature-algorithm"]),
        (Style(header_case="title"), ["Content-Type", "X-Sinch-Webhook-Signature"]),
        (Style(header_case="mixed"), ["cOnTeNt-tYpE", "x-sInCh-wEbHoOk-sIgNaTuRe"]),
    ],
    ids=["lower", "title", "mixed"],
)
def test_header_names_are_spelled_as_the_style_says(style, names):
    spelled = [name for name, _ in style.headers({"x-sinch-webhook-signature": "…"})]
    assert spelled[: len(names)] == names


def test_the_algorithm_header_can_be_left_out_or_be_another():
    signature = {"x-sinch-webhook-signature-algorithm": "HmacSHA256"}
    assert len(Style(algorithm=None).headers(signature)) == 1
    assert Style(algorithm="none").headers(signature)[1] == ("x-sinch-webhook-signature-algorithm", "none")
