"""The files that `play` sends are what their names say, and small."""

from __future__ import annotations

import pytest

from gateway.inspection import content, inspector
from sandbox.scenarios.attachment import SAMPLES, Sample

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
