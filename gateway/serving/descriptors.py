"""How many files and connections a process may have open: as many as it is let; and told where that is not enough."""

from __future__ import annotations

import errno
import resource

from gateway import clock, telemetry
from gateway.phrases import Finding, Line

ENOUGH = 65536  # of each process; more would only be looked through
AGAIN_SECONDS = 60.0
_RUN_OUT = (errno.EMFILE, errno.ENFILE)


def allow() -> None:
    """Let this process, and what it starts, open as many as the system lets it, up to ENOUGH."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = ENOUGH if hard == resource.RLIM_INFINITY else min(hard, ENOUGH)
    if soft != resource.RLIM_INFINITY and soft < most:
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))


def have_run_out(error: BaseException) -> bool:
    """Tell whether it went wrong because there are no more, for this process or for the machine."""
    return isinstance(error, OSError) and error.errno in _RUN_OUT


class Teller:
    """Tells what a worker meets outside of any request; that descriptors have run out, once a minute."""

    def __init__(self) -> None:
        self._next_at = 0.0

    def tell(self, error: BaseException) -> None:
        """Write a line about it."""
        if not have_run_out(error):
            telemetry.failure(Line.UNEXPECTED, error)
        elif clock.steady() >= self._next_at:
            self._next_at = clock.steady() + AGAIN_SECONDS
            most, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
            telemetry.find(Finding.DESCRIPTORS_RUN_OUT, most=most)
