"""A sandbox that has played its conversation, with its page, and users for the operations page of its gateway."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from playwright.sync_api import Page
from rich.console import Console
from werkzeug.security import generate_password_hash

from sandbox import child, play
from sandbox.house import House
from sandbox.page import server
from sandbox.setup import toml

PASSWORD = "a password of the browser's tests"
OPERATOR, SUPPORT = "anna", "ben"


@dataclass(frozen=True)
class Played:
    """`ops` and `page` are addresses, without a slash at their end."""

    house: House
    ops: str
    page: str


@contextmanager
def played() -> Iterator[Played]:
    quiet = Console(quiet=True)
    with play.running(quiet, play.alone(_with_users)) as house, server.serving(house) as page:
        for scene in play.SCENES:
            assert scene(house, quiet)
        yield Played(house, f"https://127.0.0.1:{house.state.ops_port}", page.rstrip("/"))


def sign_in(page: Page, sandbox: Played, name: str = OPERATOR, *, password: str = PASSWORD) -> None:
    """Sign in at the operations page, and be at its overview."""
    page.goto(f"{sandbox.ops}/sign-in")
    page.get_by_label("Name").fill(name)
    page.get_by_label("Password").fill(password)
    with page.expect_navigation():  # what is done next is done on the page that comes
        page.get_by_role("button", name="Sign in").click()


def _with_users(settings: Path) -> list[str]:
    hashed = generate_password_hash(PASSWORD, method="scrypt")
    users = [
        {"name": OPERATOR, "role": "operator", "password_hash": hashed, "reveal": True},
        {"name": SUPPORT, "role": "support", "password_hash": hashed},
    ]
    settings.write_text(f"{settings.read_text('utf-8')}\n{toml({'user': users})}", "utf-8")
    return child.serve_command(settings)
