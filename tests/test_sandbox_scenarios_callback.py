"""What is said of a callback's way when something on it went wrong, around a gateway that is none: Motion itself."""

from __future__ import annotations

import dataclasses

import pytest

from sandbox import callbacks, faults, signing
from sandbox.retries import NONE
from sandbox.scenarios import callback
from sandbox.sinch import Sinch


@pytest.fixture
def receipt(motion):
    url = f"{motion.url}/api/whatsapp/accounts/7/notify?token=t"
    return Sinch(url=url, secret="secret", retries=NONE).send(callbacks.text("Hola"))


def follow(receipt, motion, **how):
    return callback.follow(
        [receipt], motion, **{"connector_id": 7, "query": "token=t", "deadline_seconds": 0.05, **how}
    )


def test_a_callback_without_a_difference_has_no_problems(receipt, motion):
    (made,) = follow(receipt, motion)
    assert made.problems == ()
    assert made.delivered_ms >= 0


@pytest.mark.parametrize(
    ("expected", "problem"),
    [({"connector_id": 8}, "another connector"), ({"query": ""}, "another query")],
    ids=["connector", "query"],
)
def test_a_callback_to_elsewhere_has_a_problem(receipt, motion, expected, problem):
    (made,) = follow(receipt, motion, **expected)
    assert [problem + " than was sent"] == list(made.problems)


@pytest.mark.parametrize("name", [name for name in ("content-type", *signing.HEADERS) if name != signing.NONCE_HEADER])
def test_a_header_that_differs_is_a_problem(receipt, motion, name):
    others = tuple(pair for pair in receipt.letter.headers if pair[0] != name)
    sent = dataclasses.replace(receipt, letter=dataclasses.replace(receipt.letter, headers=others))
    assert follow(sent, motion)[0].problems == (f"another {name} than was sent",)


def test_a_callback_that_never_arrives_or_arrives_twice_is_a_problem(receipt, motion):
    motion.forget()
    assert follow(receipt, motion)[0].problems == ("Motion heard it 0 times",)
    for _ in range(2):
        Sinch(url=f"{motion.url}/api/whatsapp/accounts/7/notify?token=t", secret="secret").deliver(receipt.letter)
    assert follow(receipt, motion)[0].problems == ("Motion heard it 2 times",)


def test_a_refused_callback_is_a_problem(motion):
    motion.set_fault(faults.status(401))
    receipt = Sinch(url=f"{motion.url}/api/whatsapp/accounts/7/notify", secret="secret").send(callbacks.text("Hola"))
    (made,) = follow(receipt, motion, query="")
    assert made.problems == ("the gateway answered 401",)
