"""What is said of a message's way when something on it went wrong, around a gateway that is none."""

from __future__ import annotations

import dataclasses
import json

import pytest

from sandbox import attachment, faults
from sandbox.agent import Agent, Told, Way
from sandbox.callbacks import ANA
from sandbox.connection import Answer
from sandbox.conversation.api import ConversationApi
from sandbox.faults import Fault
from sandbox.fetching import Fetcher
from sandbox.retries import NONE
from sandbox.scenarios import answer
from sandbox.scenarios.answer import ERRANDS, AnswerResult, AnswerScenario, Errand
from sandbox.sinch import Sinch

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
    return AnswerScenario(motion=motion, archive=archive, api=api, agent=agent, connector_id=7, secret=SECRET)


def run(made: AnswerScenario, errand: Errand = PICTURE) -> AnswerResult:
    (result,) = made.run([errand])
    return result


@pytest.mark.parametrize("errand", ERRANDS[:3], ids=lambda errand: errand.name)
def test_an_answer_as_it_should_be_has_no_problems(made, errand):
    result = run(made, errand)
    assert result.problems == ()
    assert result.reports == ("QUEUED_ON_CHANNEL", "DELIVERED")


def test_an_agent_answers_the_customers_question_once(made, api, motion):
    result = run(made, TEXT)
    assert json.loads(result.sends[0].body)["message"] == {"text_message": {"text": answer.WORDS}}
    assert result.heard.problems == ()
    assert motion.on_event is None


def test_a_file_that_should_have_been_refused_is_a_problem(made):
    assert run(made, GIF).problems == (
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
    result = AnswerResult(errand=GIF, told=told, heard=None, sends=(), outcome=None, homes=(), asked=1, secret=SECRET)
    assert (result.problems == ()) == fine


def test_a_message_that_sinch_refuses_is_a_problem(made, api):
    api.eu.set_fault(faults.status(503))
    assert run(made).problems == ("the agent was told 503: Service unavailable",)


def test_a_message_that_sinch_hears_twice_is_a_problem(made, api):
    twice = Twice(made.agent.way, link=made.agent.link)
    assert "Sinch heard it 2 times" in run(dataclasses.replace(made, agent=twice)).problems
    assert len(api.accepted) == 2


def test_motions_secret_at_sinch_is_a_problem(made):
    link = made.agent.link
    made.agent.link = lambda number: f"{link(number)}&token={SECRET}"
    assert run(made).problems == ("Motion's own token went to Sinch",)


@pytest.mark.parametrize(
    ("fault", "problems"),
    [
        (Fault(name="changed"), ["Sinch fetched other bytes than Motion's"]),
        (
            faults.status(404),
            [
                "WhatsApp: MEDIA_NOT_REACHABLE",
                "Sinch fetched other bytes than Motion's",
                "reported: FAILED",
            ],
        ),
    ],
    ids=["changed", "gone"],
)
def test_a_file_that_is_not_motions_is_a_problem(made, archive, fault, problems):
    archive.set_fault(fault)
    assert list(run(made).problems) == problems


def test_a_report_that_does_not_come_home_is_a_problem(made, motion):
    motion.script(faults.status(401))
    assert run(made).problems == ("the report QUEUED_ON_CHANNEL: the gateway answered 401",)


def test_a_question_that_does_not_come_is_a_problem(made, motion):
    motion.script(faults.status(401))
    assert run(made, TEXT).problems == (
        "the question: the gateway answered 401",
        "the agent was told nothing: it did not answer",
    )


def test_the_table_has_a_line_for_each(made):
    shown = answer.table(made.run(ERRANDS[:2]))
    assert (shown.row_count, len(shown.columns)) == (2, 6)
