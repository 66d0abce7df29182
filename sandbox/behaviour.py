"""What the simulated Motion and Sinch do with a request that it has read, one function for each mode.

Each returns the status that it sent in full (`endless`: in its status line), or None.
"""

from __future__ import annotations

import threading
from collections.abc import Callable

from sandbox.mode import Mode, Name
from sandbox.wire import Wire

Behaviour = Callable[[Mode, Wire, threading.Event], int | None]

_BLOCK = b" " * 65_536
_BLOCK_PAUSE_SECONDS = 0.005


def behave(mode: Mode, wire: Wire, released: threading.Event) -> int | None:
    """Answer as the mode says; `released` ends every wait."""
    try:
        return BEHAVIOURS[mode.name](mode, wire, released)
    except OSError:
        wire.close()
        return None


def _answer(mode: Mode, wire: Wire, released: threading.Event) -> int | None:  # noqa: ARG001
    wire.write(mode.payload)
    return mode.status


def _answer_if_still_there(mode: Mode, wire: Wire) -> int | None:
    if wire.gone():
        wire.close()
        return None
    wire.write(mode.payload)
    return mode.status


def _hang(mode: Mode, wire: Wire, released: threading.Event) -> int | None:
    released.wait()
    return _answer_if_still_there(mode, wire)


def _slow(mode: Mode, wire: Wire, released: threading.Event) -> int | None:
    released.wait(mode.seconds)
    return _answer_if_still_there(mode, wire)


def _drip(mode: Mode, wire: Wire, released: threading.Event) -> int | None:
    for byte in mode.payload:
        wire.write(bytes((byte,)))
        released.wait(mode.seconds)
    return mode.status


def _reset(mode: Mode, wire: Wire, released: threading.Event) -> int | None:  # noqa: ARG001
    wire.reset()
    return None


def _cut(mode: Mode, wire: Wire, released: threading.Event) -> int | None:  # noqa: ARG001
    wire.write(mode.payload[: mode.after_bytes])
    wire.close()
    return None


def _torn(mode: Mode, wire: Wire, released: threading.Event) -> int | None:  # noqa: ARG001
    wire.write(mode.payload[: mode.after_bytes])
    wire.reset()
    return None


def _garbage(mode: Mode, wire: Wire, released: threading.Event) -> int | None:  # noqa: ARG001
    wire.write(b"\x15\x03\x01 no HTTP at all\r\n\r\n")
    wire.close()
    return None


def _endless(mode: Mode, wire: Wire, released: threading.Event) -> int | None:
    wire.close()
    wire.write(f"HTTP/1.1 {mode.status} Simulated\r\nconnection: close\r\n\r\n".encode())
    while not (wire.gone() or released.wait(_BLOCK_PAUSE_SECONDS)):
        wire.write(_BLOCK)
    return mode.status


def _closing(mode: Mode, wire: Wire, released: threading.Event) -> int | None:
    wire.close()
    return _answer(mode, wire, released)


BEHAVIOURS: dict[Name, Behaviour] = {
    "up": _answer,
    "down": _reset,
    "hang": _hang,
    "slow": _slow,
    "failing": _answer,
    "drip": _drip,
    "reset": _reset,
    "cut": _cut,
    "torn": _torn,
    "garbage": _garbage,
    "endless": _endless,
    "closing": _closing,
}
