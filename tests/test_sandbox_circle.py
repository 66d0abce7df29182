"""What is said of a message's way when something on it went wrong, around a gateway that is none."""

from __future__ import annotations

import dataclasses
import json

import pytest

from sandbox import attachment, circle, mode
from sandbox.agent import Agent, Told, Way
from sandbox.callbacks import ANA
from sandbox.circle import ERRANDS, Circle, Errand, Trip
from sandbox.connection import Answer
from sandbox.conversation import mishap
from sandbox.conversation.api import ConversationApi
from sandbox.fetching import Fetcher
from sandbox.retries import NONE
from sandbox.sinch import Sinch
from sandbox.trouble import Trouble

TEXT, PICTURE, _, GIF = ERRANDS
SECRET = "a-secret-of-motions"


class Twice(Agent):
    """Sends all that it sends once more."""

    def send(self, *what, **more) -> Told:
        super().send(*what, **more)
        return super().send(*what, **more)


@pytest.fixture
def api(motion):
    with ConversationApi() as running:
        running.reports.sinch = Sinch(url=f"{motion.url}/api/whatsapp/accounts/7/notify", secret="secret", retries=NONE)
        running.reports.fetcher = Fetcher(timeout_seconds=5)
        running.wrote(ANA)
        yield running


@pytest.fixture
def made(motion, archive, api):
    """The agent speaks to Sinch itself, with links that lead to Motion."""
    agent = Agent(
        Way(api=api.eu.url, auth=api.auth.url, timeout_seconds=5),
        link=lambda number: f"{motion.url}{attachment.path(number)}?apikey=k",
    )
    return Circle(motion=motion, archive=archive, api=api, agent=agent, connector_id=7, secret=SECRET)


def run(made: Circle, errand: Errand = PICTURE) -> Trip:
    (trip,) = made.run([errand])
    return trip


@pytest.mark.parametrize("errand", ERRANDS[:3], ids=lambda errand: errand.name)
def test_a_trip_as_it_should_be_has_no_faults(made, errand):
    trip = run(made, errand)
    assert trip.faults == ()
    assert trip.reports == ("QUEUED_ON_CHANNEL", "DELIVERED")


def test_the_desk_answers_the_customers_question_once(made, api, motion):
    trip = run(made, TEXT)
    assert json.loads(trip.sends[0].body)["message"] == {"text_message": {"text": circle.WORDS}}
    assert trip.heard.faults == ()
    assert motion.on_event is None


def test_a_file_that_should_have_been_refused_is_a_fault(made):
    assert run(made, GIF).faults == (
        "the agent was not told CHANNEL_FAILURE, but 200: Error 200",
        "it reached Sinch all the same",
    )


@pytest.mark.parametrize(
    ("status", "message", "reason", "fine"),
    [
        (400, "CHANNEL_FAILURE: no", "CHANNEL_FAILURE", True),
        (403, "CHANNEL_FAILURE: no", "CHANNEL_FAILURE", False),
        (400, "It does not go", "CHANNEL_FAILURE", False),
        (400, "CHANNEL_FAILURE: no", "BAD_REQUEST", False),
    ],
    ids=["as it should", "another status", "without the code", "another reason"],
)
def test_a_refusal_says_its_code_in_both_places(status, message, reason, fine):
    body = {"error": {"code": status, "message": message, "details": [{"reason": reason}]}}
    told = Told(Answer(status=status, body=json.dumps(body).encode()))
    trip = Trip(errand=GIF, told=told, heard=None, sends=(), fate=None, homes=(), asked=1, secret=SECRET)
    assert (trip.faults == ()) == fine


def test_a_message_that_sinch_refuses_is_a_fault(made, api):
    api.eu.set_mishap(mishap.status(503))
    assert run(made).faults == ("the agent was told 503: Service unavailable",)


def test_a_message_that_sinch_hears_twice_is_a_fault(made, api):
    twice = Twice(made.agent.way, link=made.agent.link)
    assert "Sinch heard it 2 times" in run(dataclasses.replace(made, agent=twice)).faults
    assert len(api.accepted) == 2


def test_motions_secret_at_sinch_is_a_fault(made):
    link = made.agent.link
    made.agent.link = lambda number: f"{link(number)}&token={SECRET}"
    assert run(made).faults == ("Motion's own token went to Sinch",)


@pytest.mark.parametrize(
    ("trouble", "faults"),
    [
        (Trouble(name="changed"), ["Sinch fetched other bytes than Motion's"]),
        (
            Trouble(name="status", status=404),
            [
                "WhatsApp: MEDIA_NOT_REACHABLE",
                "Sinch fetched other bytes than Motion's",
                "reported: FAILED",
            ],
        ),
    ],
    ids=["changed", "gone"],
)
def test_a_file_that_is_not_motions_is_a_fault(made, archive, trouble, faults):
    archive.set_trouble(trouble)
    assert list(run(made).faults) == faults


def test_a_report_that_does_not_come_home_is_a_fault(made, motion):
    motion.script(mode.failing(401))
    assert run(made).faults == ("the report QUEUED_ON_CHANNEL: the gateway answered 401",)


def test_a_question_that_does_not_come_is_a_fault(made, motion):
    motion.script(mode.failing(401))
    assert run(made, TEXT).faults == (
        "the question: the gateway answered 401",
        "the agent was told nothing: it did not answer",
    )


def test_the_table_has_a_line_for_each(made):
    shown = circle.table(made.run(ERRANDS[:2]))
    assert (shown.row_count, len(shown.columns)) == (2, 6)
