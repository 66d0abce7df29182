"""What the tables of the settings are made of: a model that takes nothing unknown, and how fields say what is usual."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict, Field


def required(example: str | int) -> Any:  # noqa: ANN401 — what Field itself hands back, so that it fits every type
    return Field(examples=[example])


def default(written: object) -> Any:  # noqa: ANN401 — as above
    """Take the default as it would stand in the file; its kind reads it."""
    return Field(default=written)


class Table(BaseModel):
    """What all tables share: nothing unknown, nothing converted, nothing changed later."""

    model_config = ConfigDict(
        extra="forbid", frozen=True, strict=True, validate_default=True, hide_input_in_errors=True
    )
