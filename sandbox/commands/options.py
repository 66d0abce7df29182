"""Options that several commands share."""

from __future__ import annotations

from pathlib import Path

import click

STATE = click.option(
    "--state", "state_file", type=click.Path(path_type=Path), help="Which sandbox; the newest by default."
)
