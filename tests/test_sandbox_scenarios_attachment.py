"""What is said of an attachment's way when something on it went wrong, around a gateway that is none; and the files."""

from __future__ import annotations

import dataclasses

import pytest

from gateway.inspection import content, inspector
from sandbox import attachment, faults
from sandbox.callbacks import APP
from sandbox.faults import Fault
from sandbox.fetching import Fetcher
from sandbox.retries import NONE
from sandbox.scenarios.attachment import SAMPLES, AttachmentResult, AttachmentScenario, Sample, table
from sandbox.sinch import Sinch

PICTURE = SAMPLES[0]


@pytest.fixture
def scenario(motion, archive):
    return AttachmentScenario(
        motion=motion,
        archive=archive,
        fetcher=Fetcher(timeout_seconds=5),
        sinch=Sinch(url=f"{motion.url}/api/whatsapp/accounts/7/notify", secret="secret", retries=NONE),
        app=APP,
        connector_id=7,
        link=lambda number: f"{motion.url}{attachment.path(number)}?apikey=k",
    )


def run(scenario: AttachmentScenario, sample: Sample = PICTURE) -> AttachmentResult:
    (result,) = scenario.run([sample])
    return result


def test_an_attachment_as_it_should_be_has_no_problems(scenario):
    result = run(scenario)
    assert result.problems == ()
    assert result.report.receipt.letter.callback.name == "MESSAGE_DELIVERY/DELIVERED"


def test_a_refusal_is_reported_with_its_reason(scenario, archive):
    archive.set_fault(faults.status(415))
    result = run(scenario, dataclasses.replace(PICTURE, status=415, outcome="CHANNEL_FAILURE"))
    content = result.report.receipt.letter.callback.content["message_delivery_report"]
    assert result.rendering.words == content["reason"]["code"] == "CHANNEL_FAILURE"
    assert content["reason"]["description"].endswith("downloading the media failed with http code 415")
    assert result.problems == ()


@pytest.mark.parametrize(
    ("fault", "problem"),
    [
        (Fault(name="changed"), "other bytes than Motion's"),
        (Fault(name="login"), "as a link"),
        (faults.status(404), "the gateway answered 404"),
        (Fault(name="reset"), "the gateway answered ConnectionResetError"),
        (Fault(name="lengthless"), "MEDIA_NOT_REACHABLE: the server does not say how long the media is"),
    ],
    ids=lambda value: value.name if isinstance(value, Fault) else "",
)
def test_what_goes_wrong_is_a_problem(scenario, archive, fault, problem):
    archive.set_fault(fault)
    assert any(said.startswith(problem) for said in run(scenario).problems)


def test_motion_is_asked_once(scenario):
    again = dataclasses.replace(scenario, fetcher=Fetcher(habit="again"))
    assert run(again).problems == ("Motion was asked 3 times",)


def test_a_report_that_does_not_arrive_is_a_problem(scenario, motion):
    motion.script(faults.status(401))
    assert run(scenario).problems == ("the report: the gateway answered 401",)


def test_the_table_has_a_line_for_each(scenario):
    shown = table(scenario.run(SAMPLES[:2]))
    assert (shown.row_count, len(shown.columns)) == (2, 6)


MIMES = {
    "picture.jpg": "image/jpeg",
    "voice.ogg": "audio/ogg; codecs=opus",
    "invoice.pdf": "application/pdf",
    "wave.gif": "image/gif",
    "letter.doc": "application/msword",
}


@pytest.mark.parametrize("sample", SAMPLES, ids=lambda sample: sample.name)
def test_the_gateway_finds_each_to_be_sound_and_of_its_type(sample: Sample):
    found = inspector.inspect(content.of_bytes(sample.content), name=sample.name)
    assert found.mime == MIMES[sample.name]
    assert {str(trait) for trait in found.traits} & {"broken", "truncated", "disputed", "appendix"} == set()


def test_all_of_them_together_are_tiny():
    assert sum(len(sample.content) for sample in SAMPLES) < 20_000
    assert {sample.name for sample in SAMPLES} == {*MIMES}


def test_the_gateway_owes_a_file_to_what_is_sent_and_415_to_what_is_not():
    assert {sample.status: sample.outcome in ("CHANNEL_FAILURE",) for sample in SAMPLES} == {200: False, 415: True}
