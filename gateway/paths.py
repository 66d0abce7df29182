"""Where things lie: the layout of `state_dir`, and what is shipped beside the code."""

from __future__ import annotations

from pathlib import Path

_PACKAGE = Path(__file__).parent


def templates() -> Path:
    """The folder of nginx's templates: `nginx/` of a checkout, which stands within the package once it is installed."""
    installed = _PACKAGE / "nginx"
    return installed if installed.is_dir() else _PACKAGE.parent / "nginx"
