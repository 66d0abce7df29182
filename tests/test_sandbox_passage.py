"""What is said of an attachment's way when something on it went wrong, around a gateway that is none: Motion itself."""

from __future__ import annotations

import dataclasses

import pytest

from sandbox import attachment, mode, passage
from sandbox.callbacks import APP
from sandbox.fetching import Fetcher
from sandbox.passage import Passage, Post
from sandbox.retries import NONE
from sandbox.samples import SAMPLES, Sample
from sandbox.sinch import Sinch
from sandbox.trouble import Trouble

PICTURE = SAMPLES[0]


@pytest.fixture
def post(motion, archive):
    return Post(
        motion=motion,
        archive=archive,
        fetcher=Fetcher(timeout_seconds=5),
        sinch=Sinch(url=f"{motion.url}/api/whatsapp/accounts/7/notify", secret="secret", retries=NONE),
        app=APP,
        connector_id=7,
        link=lambda number: f"{motion.url}{attachment.path(number)}?apikey=k",
    )


def carry(post: Post, sample: Sample = PICTURE) -> Passage:
    (made,) = post.carry([sample])
    return made


def test_a_passage_as_it_should_be_has_no_faults(post):
    made = carry(post)
    assert made.faults == ()
    assert made.report.receipt.letter.callback.name == "MESSAGE_DELIVERY/DELIVERED"


def test_a_refusal_is_reported_with_its_reason(post, archive):
    archive.set_trouble(Trouble(name="status", status=415))
    made = carry(post, dataclasses.replace(PICTURE, status=415, outcome="CHANNEL_FAILURE"))
    content = made.report.receipt.letter.callback.content["message_delivery_report"]
    assert made.outcome.words == content["reason"]["code"] == "CHANNEL_FAILURE"
    assert content["reason"]["description"].endswith("downloading the media failed with http code 415")
    assert made.faults == ()


@pytest.mark.parametrize(
    ("trouble", "fault"),
    [
        (Trouble(name="changed"), "other bytes than Motion's"),
        (Trouble(name="login"), "as a link"),
        (Trouble(name="status", status=404), "the gateway answered 404"),
        (Trouble(name="reset"), "the gateway answered ConnectionResetError"),
        (Trouble(name="lengthless"), "MEDIA_NOT_REACHABLE: the server does not say how long the media is"),
    ],
    ids=lambda value: value.name if isinstance(value, Trouble) else "",
)
def test_what_goes_wrong_is_a_fault(post, archive, trouble, fault):
    archive.set_trouble(trouble)
    assert any(said.startswith(fault) for said in carry(post).faults)


def test_motion_is_asked_once(post):
    again = dataclasses.replace(post, fetcher=Fetcher(habit="again"))
    assert carry(again).faults == ("Motion was asked 3 times",)


def test_a_report_that_does_not_arrive_is_a_fault(post, motion):
    motion.script(mode.failing(401))
    assert carry(post).faults == ("the report: the gateway answered 401",)


def test_the_table_has_a_line_for_each(post):
    shown = passage.table(post.carry(SAMPLES[:2]))
    assert (shown.row_count, len(shown.columns)) == (2, 6)
