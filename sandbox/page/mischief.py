"""What may go wrong in a running sandbox, a row each: the button's words, what is done, and what to watch for."""

from __future__ import annotations

import functools
import secrets
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from sandbox import callbacks, faults, retries
from sandbox.callbacks import Callback, Customer
from sandbox.connection import Pace
from sandbox.conversation import plants
from sandbox.faults import Fault
from sandbox.house import House
from sandbox.page import losses
from sandbox.page.row import Mischief
from sandbox.sinch import Letter, Sinch

_TWO_DAYS_SECONDS = 2 * 24 * 3600  # longer than a signature is good for
_SEND = "/messages:send"
_PLANTED = ("no-messages", "no-reports", "other-secret", "no-channel", "wrong-key", "dispatch")


def _motion(fault: Fault) -> Callable[[House, Customer], None]:
    return lambda house, _: house.motion.set_fault(fault)


def _files(fault: Fault) -> Callable[[House, Customer], None]:
    return lambda house, _: house.archive.set_fault(fault)


def _sends(fault: Fault) -> Callable[[House, Customer], None]:
    """Of what Motion sends alone: the gateway itself asks Sinch for other things."""
    return lambda house, _: house.api.set_fault(replace(fault, path=_SEND) if fault is not faults.NONE else fault)


def _planted(name: str) -> Callable[[House, Customer], None]:
    def plant(house: House, _: Customer) -> None:
        house.field.plant(name)
        house.api.tokens.expire()  # whoever has one would not notice for an hour

    return plant


def _post(house: House, customer: Customer, words: str, sinch: Sinch | None = None) -> None:
    callback = house.api.wrote(customer, words=words)
    (sinch or house.sinch).send(callback)


def _repeat(house: House, customer: Customer, *, resigned: bool) -> None:
    letter = _last(house, customer)
    if letter is None:
        raise LookupError("there is nothing to repeat: write something first")
    if resigned:
        house.sinch.send(letter.callback)
    else:
        house.sinch.post(letter)


def _last(house: House, customer: Customer) -> Letter | None:
    """The newest message of theirs that Sinch posted."""
    for post in reversed(house.journal.posts.items):
        message = post.letter.callback.content.get("message")
        if message and message.get("contact_id") == customer.contact_id and not post.pretending:
            return post.letter
    return None


def _shuffled(house: House, customer: Customer) -> None:
    sent = [house.api.wrote(customer, words=f"Number {number} of three") for number in (1, 2, 3)]
    house.sinch.send_all([sent[2], sent[0], sent[1]], senders=1)


def _slowly(house: House, customer: Customer) -> None:
    slow = replace(house.sinch, pace=Pace(bytes_at_once=64, pause_seconds=0.1))
    _post(house, customer, "Byte by byte", slow)


def _forging(how: str, **habits: Any) -> Callable[[House, Customer], None]:  # noqa: ANN401 - fields of a Sinch
    """A callback that Sinch never posted, sent once: a forger keeps to no schedule."""

    def forge(house: House, customer: Customer) -> None:
        told = functools.partial(house.journal.posts.heard, pretending=how)
        forger = replace(house.sinch, retries=retries.NONE, told=told, **habits)
        forger.send(callbacks.text("Let me in", by=customer, app=house.state.app))

    return forge


def _changed(house: House, customer: Customer) -> None:
    """Sinch's own signature, of other words."""
    genuine = house.sinch.prepare(callbacks.text("Pay 10 euros", by=customer, app=house.state.app))
    content = callbacks.text("Pay 10000 euros", by=customer, app=house.state.app).content
    other = Letter(Callback(genuine.callback.name, content), house.sinch.style.encode(content), genuine.headers)
    told = functools.partial(house.journal.posts.heard, pretending="with a signature of other words")
    replace(house.sinch, told=told).post(other)


def _right(house: House, _: Customer) -> None:
    house.motion.set_fault(faults.NONE)
    house.archive.set_fault(faults.NONE)
    house.api.set_fault(faults.NONE)
    losses.right(house)
    house.field.plant("fine")


def _of_plant(name: str) -> Mischief:
    watch = {
        "no-messages": "Write: Sinch posts it nowhere, and the gateway cannot know. `doctor` does: it asks Sinch.",
        "no-reports": "Answer: the customer has it, but no report says so.",
        "other-secret": "Write: each callback is 401, since the signature is that of another secret.",
        "no-channel": "Answer: Sinch takes it, and its report says why it did not go.",
        "wrong-key": "Answer: Sinch does not know the key, and the agent is told.",
        "dispatch": "Write: callbacks name no contact any more, so that Motion cannot tell whose they are.",
    }[name]
    return Mischief(words=plants.MEANINGS[name], watch=watch, do=_planted(name))


MOTION = {
    "motion-down": Mischief(
        words="Take Motion down",
        watch="Write as the customer: Sinch gets its 200 all the same, and the message waits at the gateway.",
        do=_motion(faults.DOWN),
    ),
    "motion-500": Mischief(
        words="Motion answers 500",
        watch="Write: the gateway keeps each message and tries again, in order.",
        do=_motion(faults.status(500)),
    ),
    "motion-hangs": Mischief(
        words="Motion hears, and says nothing",
        watch="Write: the gateway waits for an answer, gives up, and tries again.",
        do=_motion(faults.HANG),
    ),
    "motion-up": Mischief(
        words="Motion is back",
        watch="What waited arrives now, in the order in which it was written.",
        do=_motion(faults.NONE),
    ),
}
FORGERS = {
    "forged-secret": Mischief(
        words="Sign with another secret",
        watch="401: the signature is not that of the secret which Sinch and the gateway share. Nothing reaches Motion.",
        do=_forging("with a secret of its own", secret=secrets.token_urlsafe(32)),
    ),
    "forged-unsigned": Mischief(
        words="Do not sign at all",
        watch="401: without a signature nobody is believed.",
        do=_forging("without a signature", secret=None),
    ),
    "forged-changed": Mischief(
        words="Change words on the way",
        watch="401: the signature is Sinch's own, but of other bytes.",
        do=_changed,
    ),
    "forged-late": Mischief(
        words="Use a signature of two days ago",
        watch="401: it is right, but too old. Sinch repeats a callback for a day at most; later it is somebody else.",
        do=_forging("with a signature of two days ago", clock=lambda: time.time() - _TWO_DAYS_SECONDS),
    ),
}
CALLBACKS = {
    "again": Mischief(
        words="Post the last message again",
        watch="200 once more, so that Sinch is content; Motion hears it once.",
        do=functools.partial(_repeat, resigned=False),
    ),
    "resigned": Mischief(
        words="Post it again, signed anew",
        watch="200: the gateway knows an event by its id, not by its signature. Motion hears it once.",
        do=functools.partial(_repeat, resigned=True),
    ),
    "shuffled": Mischief(
        words="Post three messages in disorder",
        watch="Motion gets each once, in the order in which the gateway took them.",
        do=_shuffled,
    ),
    "slowly": Mischief(
        words="Post over a slow line",
        watch="The gateway waits for the whole body, and then answers; nobody else is held up.",
        do=_slowly,
    ),
}
SENDS = {
    "sinch-429": Mischief(
        words="Sinch answers 429",
        watch="Answer: the agent is told what Sinch said, unchanged.",
        do=_sends(faults.status(429)),
    ),
    "sinch-503": Mischief(
        words="Sinch answers 503",
        watch="Answer: the agent is told at once, and the gateway sends nothing twice by itself.",
        do=_sends(faults.status(503)),
    ),
    "sinch-slow": Mischief(
        words="Sinch takes two seconds",
        watch="Answer: it takes as long, and it goes.",
        do=_sends(faults.slow(2)),
    ),
    "sinch-hangs": Mischief(
        words="Sinch takes it and says nothing",
        watch="Answer: the gateway waits for a while, then says that its fate is unknown. A report tells it.",
        do=_sends(replace(faults.HANG, takes=True)),
    ),
    "sinch-breaks": Mischief(
        words="Sinch takes it and breaks off",
        watch="Answer: its fate is unknown, so nobody sends it twice. A report tells what became of it.",
        do=_sends(faults.reset()),
    ),
    **{name: _of_plant(name) for name in _PLANTED},
}
FILES = {
    "files-deleted": Mischief(
        words="Motion has deleted its files",
        watch="Attach: a dead link is told to the agent at once, instead of to nobody an hour later.",
        do=_files(Fault(name="deleted")),
    ),
    "files-login": Mischief(
        words="Motion shows its login page instead",
        watch="Attach: a page is no picture, whatever its name; it does not go.",
        do=_files(Fault(name="login")),
    ),
    "files-break": Mischief(
        words="Motion breaks off each download",
        watch="Attach: half a file is none. It does not go, and the agent is told.",
        do=_files(faults.CUT),
    ),
}
RIGHT = {"right": Mischief(words="Put everything right", watch="All is as it should be again.", do=_right)}

GROUPS: Sequence[tuple[str, Mapping[str, Mischief]]] = (
    ("Motion", MOTION),
    ("Somebody pretends to be Sinch", FORGERS),
    ("Callbacks", CALLBACKS),
    ("Sinch, when an agent answers", SENDS),
    ("Files at Motion", FILES),
    ("Files of customers", losses.ROWS),
)
TABLE = {name: row for _, rows in GROUPS for name, row in rows.items()} | RIGHT
