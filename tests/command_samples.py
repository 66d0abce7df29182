"""What a command came to that a test has typed."""

from __future__ import annotations

from click.testing import Result

from gateway.errors import GatewayError


def refusal(result: Result) -> GatewayError:
    """With what it was refused; it has printed nothing."""
    assert isinstance(result.exception, GatewayError)
    assert result.stdout == ""
    return result.exception
