"""Shows that something takes long, and how far it is: on standard error, for people alone.

On a terminal a bar stands in one line, without colours where NO_COLOR is set, and goes when the work is done. Where
there is none, or one that cannot move back (TERM=dumb), a line says now and then how far it is; none where it is quick.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Protocol

import click

if TYPE_CHECKING:
    from rich.progress import Progress

FIRST_SECONDS, NEXT_SECONDS = 2.0, 10.0  # before the first line, and between two


class Tell(Protocol):
    """Takes what is being done by now; and how much is done of how much, where that is known."""

    def __call__(self, what: str, done: float = 0, whole: float | None = None) -> None: ...


@contextmanager
def shown(what: str, *, wanted: bool = True) -> Iterator[Tell]:
    """Show that `what` is being done, until it is; nothing where that is not `wanted`, as with --json."""
    if wanted and sys.stderr.isatty():
        from rich import console, progress

        screen = console.Console(stderr=True)
        if screen.is_interactive:
            words = (progress.SpinnerColumn(), progress.TextColumn("{task.description}", markup=False))
            with progress.Progress(*words, progress.BarColumn(), console=screen, transient=True) as bar:
                bar.add_task(what, total=None)
                yield partial(_move, bar)
            return
    lines, ended = Lines(what), threading.Event()
    if wanted:
        threading.Thread(target=lines.write, args=(ended,), daemon=True).start()
    try:
        yield lines.tell
    finally:
        ended.set()


def _move(bar: Progress, what: str, done: float = 0, whole: float | None = None) -> None:
    """Bring the bar to where the work is; a bar that had an end never loses it, so another one takes its place."""
    [task] = bar.task_ids
    if whole is not None:
        bar.update(task, description=what, completed=done, total=whole)
    else:
        bar.remove_task(task)
        bar.add_task(what, total=None)


class Lines:
    """Lines about work: none before it takes long, and few then. A thread writes them: no work waits for a terminal."""

    def __init__(self, what: str) -> None:
        self._now = f"{what} …"

    def tell(self, what: str, done: float = 0, whole: float | None = None) -> None:
        """Take what the next line says."""
        self._now = f"{what}: {100 * done // whole:.0f} %" if whole else f"{what} …"

    def write(self, ended: threading.Event) -> None:
        """Write them until the work has `ended`."""
        pause_seconds = FIRST_SECONDS
        while not ended.wait(pause_seconds):
            click.echo(self._now, err=True)
            pause_seconds = NEXT_SECONDS
