"""What may go wrong with the files of customers, a row each: at Sinch, and on Motion's way there."""

from __future__ import annotations

from collections.abc import Callable

from sandbox import faults
from sandbox.callbacks import Customer
from sandbox.faults import Fault
from sandbox.house import House
from sandbox.page.row import Mischief


def _media(fault: Fault) -> Callable[[House, Customer], None]:
    return lambda house, _: house.api.media.set_fault(fault)


def _unplugged(house: House, *, unplugged: bool) -> None:
    if house.motion.inbox is not None:
        house.motion.inbox.unplugged = unplugged


ROWS = {
    "plug": Mischief(
        words="Plug Motion's internet in",
        watch="Send a file: it comes by the gateway all the same. What that has not got, Motion gets by itself.",
        do=lambda house, _: _unplugged(house, unplugged=False),
    ),
    "unplug": Mischief(
        words="Unplug it",
        watch="Send a file: only by the gateway does Motion get it.",
        do=lambda house, _: _unplugged(house, unplugged=True),
    ),
    "media-ends": Mischief(
        words="Sinch's links end",
        watch="Whoever has not fetched a file by now does not get it any more, as after seven days.",
        do=lambda house, _: house.api.media.end(),
    ),
    "media-403": Mischief(
        words="Sinch gives no files: 403",
        watch="Send a file: the message goes all the same, and is never late by more than the set time.",
        do=_media(faults.status(403)),
    ),
    "media-hangs": Mischief(
        words="Sinch says nothing when asked for a file",
        watch="Send a file: the message goes all the same, and is never late by more than the set time.",
        do=_media(faults.HANG),
    ),
    "media-endless": Mischief(
        words="Sinch's files do not end",
        watch="Send a file: no more is taken than a file may have.",
        do=_media(faults.ENDLESS),
    ),
}


def right(house: House) -> None:
    """All is as it should be again; links that ended stay so."""
    house.api.media.set_fault(faults.NONE)
    _unplugged(house, unplugged=True)
