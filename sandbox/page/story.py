"""What the gateway itself tells of a message: its own command `trace`, run as anybody would run it."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_REPOSITORY = Path(__file__).resolve().parents[2]
_DEADLINE_SECONDS = 30
WRITTEN_AFTER_SECONDS = 1.5  # the gateway writes what it has turned away a second later
ABOUT = re.compile(r"[0-9A-Za-z-]{1,64}|attachment [0-9]{1,12}")

Run = Callable[[Sequence[str]], str]


@dataclass(frozen=True, kw_only=True)
class Told:
    """The stories, and what is said where there is none; `error` is set where the command could not tell."""

    stories: Sequence[Any] = ()
    turned_away: Sequence[Any] = ()
    error: str = ""


class Teller:
    """Asks about one message at a time; `command` is what starts the gateway's commands for these settings."""

    def __init__(
        self, config_file: Path, *, run: Run | None = None, pause: Callable[[float], None] = time.sleep
    ) -> None:
        self._command = [sys.executable, "-m", "gateway", "--config", str(config_file), "trace", "--json"]
        self._run, self._pause = run or _output, pause

    def tell(self, about: str) -> Told:
        """Tell what the gateway knows; what it does not know yet it is asked for once more.

        Raises ValueError where that is nothing to ask for.
        """
        if not ABOUT.fullmatch(about):
            raise ValueError(f"not an id: {about!r}")
        told = self._ask(about)
        if told.stories or told.error:
            return told
        self._pause(WRITTEN_AFTER_SECONDS)
        return self._ask(about)

    def _ask(self, about: str) -> Told:
        try:
            said = json.loads(self._run([*self._command, "--", about]))
        except (ValueError, OSError, subprocess.SubprocessError) as error:
            return Told(error=str(error) or repr(error))
        return Told(stories=said.get("stories", ()), turned_away=said.get("turned_away", ()))


def _output(command: Sequence[str]) -> str:
    done = subprocess.run(
        command, cwd=_REPOSITORY, stdin=subprocess.DEVNULL, capture_output=True, timeout=_DEADLINE_SECONDS, check=False
    )
    if not done.stdout:
        raise ValueError(done.stderr.decode(errors="replace").strip() or f"ended with status {done.returncode}")
    return done.stdout.decode()
