"""Loads the settings: the file, the environment on top of it, and every problem at once."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from gateway.config import cautions, contradictions, drafting, problems
from gateway.config.tables import Settings
from gateway.errors import SettingsError

_PLACE = re.compile(r"at line ([0-9]+), column ([0-9]+)")


def load(path: Path, environ: Mapping[str, str]) -> Settings:
    """The settings in the file at `path`, with those of `environ` on top.

    Raises SettingsError, whose message lists every problem with its remedy.
    """
    return understand(_document(path), environ)


def understand(document: Mapping[str, object], environ: Mapping[str, str]) -> Settings:
    """The settings in a TOML document that was parsed already; raises as `load` does."""
    draft = drafting.draft(document, environ)
    contradicting = [
        replace(problem, key=draft.labels.get(problem.key, problem.key)) for problem in contradictions.find(draft)
    ]
    found = (*draft.problems, *contradicting)
    if found:
        raise SettingsError(problems.message(found))
    return draft.settings.model_copy(update={"warnings": (*draft.warnings, *cautions.find(draft.settings))})


def _document(path: Path) -> Mapping[str, object]:
    text = _text(path)
    try:
        return tomllib.loads(text)
    # Without the cause: its text may repeat what stands in the file. A ValueError is also what
    # numbers of some thousand digits end in, and a RecursionError what deep brackets end in.
    except (ValueError, RecursionError) as error:
        place = _PLACE.search(str(error))
        where = f"line {place[1]}, column {place[2]} of" if place else "the end, or a number or bracket too long, of"
        raise _unusable(
            f"{where} {problems.name(str(path))} is not TOML",
            "look there for a missing quote or bracket, or for a key or table written twice",
        ) from None


def _text(path: Path) -> str:
    try:
        return path.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        # Without the cause: it holds the bytes of the file.
        raise _unusable(
            f"{problems.name(str(path))} is not UTF-8 at byte {error.start}", "save it as UTF-8 text"
        ) from None
    except FileNotFoundError as error:
        raise _unusable(
            f"{problems.name(str(path))} does not exist",
            "write the settings there, or name another file with --config or MOTION_GATEWAY_CONFIG",
        ) from error
    except (OSError, ValueError) as error:
        raise _unusable(f"{problems.name(str(path))} cannot be read", "check its owner, mode and disk") from error


def _unusable(what: str, remedy: str) -> SettingsError:
    return SettingsError(f"The settings cannot be read; nothing was started.\n\n  {what} → {remedy}")
