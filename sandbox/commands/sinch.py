"""`python -m sandbox sinch …`: be Sinch, or somebody who pretends to be."""

from __future__ import annotations

import collections
import functools
import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from sandbox import callbacks, retries, state
from sandbox.callbacks import Callback
from sandbox.commands.options import FILE, STATE
from sandbox.conversation.control import ApiRemote
from sandbox.sinch import Receipt, Sinch
from sandbox.style import Style

_ENDINGS = {"none": b"", "lf": b"\n", "crlf": b"\r\n"}

_MOST_TOLD = 50  # of a flood, to the sandbox: its page shows no more

_OPTIONS = (
    STATE,
    click.option("--contact", default="ana", show_default=True, help="The customer; each name has its own phone."),
    click.option("--forged", is_flag=True, help="Sign with a wrong secret; success is to be refused."),
    click.option("--copies", default=1, show_default=True, help="The same event so many times, each signed."),
    click.option("--senders", default=8, show_default=True, help="How many at the same time."),
    click.option("--shuffle", is_flag=True, help="Out of order."),
    click.option("--resigned", is_flag=True, help="Sign retries anew (unconfirmed which of the two Sinch does)."),
    click.option("--pretty", is_flag=True, help="Indented JSON."),
    click.option("--ending", type=click.Choice(list(_ENDINGS)), default="none", help="What follows the JSON."),
    click.option("--escaped", is_flag=True, help="Non-ASCII characters as \\u…"),
    click.option("--header-case", type=click.Choice(["lower", "title", "mixed"]), default="lower"),
    click.option("--no-algorithm", is_flag=True, help="Leave the algorithm header out."),
)


@dataclass(frozen=True, kw_only=True)
class Sender:
    """What the options add up to."""

    sinch: Sinch
    api: ApiRemote
    who: dict[str, Any]  # the customer and the app, as callbacks want them
    forged: bool
    how: dict[str, Any]

    def send(self, sent: Sequence[Callback]) -> list[Receipt]:
        written = [callback for callback in sent if "message" in callback.content]
        if written and not self.forged and self.api.url:  # From now on the customer may be answered.
            self.api.wrote(written[-1], self.who["by"])
        receipts = self._followed(sent[0]).send_all(sent, **self.how)
        if self.api.url:
            for receipt in receipts[-_MOST_TOLD:]:
                self.api.posted(receipt, pretending="with a secret of its own" if self.forged else "")
        return receipts

    def _followed(self, callback: Callback) -> Sinch:
        """As the webhook has it, unless somebody else pretends to be Sinch."""
        if self.forged or not self.api.url:
            return self.sinch
        sinch = self.api.follow(self.sinch, callback)
        if sinch is None:
            raise click.ClickException("no webhook at Sinch gets that; see `sinch webhooks`")
        return sinch

    def finish(self, receipts: Sequence[Receipt]) -> None:
        """Exit non-zero where a genuine callback was not accepted, or a forged one was."""
        raise SystemExit(0 if all(receipt.accepted != self.forged for receipt in receipts) else 1)


@click.group()
def sinch() -> None:
    """Be Sinch: post callbacks to the gateway of a running sandbox, and take what it is sent."""


def _sending(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command the options above as one `Sender`."""

    @functools.wraps(command)
    def run(**options: Any) -> None:  # noqa: ANN401 - click's options are of any type
        command(_sender(**{name: options.pop(name) for name in ours}), **options)

    for option in reversed(_OPTIONS):
        run = option(run)
    ours = [parameter.name for parameter in vars(run)["__click_params__"]]
    return run


def _sender(*, state_file: Path | None, contact: str, forged: bool, resigned: bool, **options: Any) -> Sender:  # noqa: ANN401
    place = state.read(state_file)
    how = {name: options.pop(name) for name in ("copies", "senders", "shuffle")}
    sinch = replace(place.sinch(), style=_style(**options))
    sinch = replace(sinch, retries=replace(sinch.retries, resigned=resigned))
    if forged:  # A forger does not follow Sinch's schedule.
        sinch = replace(sinch, secret=secrets.token_urlsafe(32), retries=retries.NONE)
    api, who = ApiRemote(place.sinch_control_url), {"by": callbacks.customer(contact), "app": place.app}
    return Sender(sinch=sinch, api=api, who=who, forged=forged, how=how)


def _style(*, no_algorithm: bool, ending: str, **options: Any) -> Style:  # noqa: ANN401
    chosen = Style(ending=_ENDINGS[ending], **options)
    return replace(chosen, algorithm=None) if no_algorithm else chosen


@sinch.command()
@click.argument("words")
@_sending
def text(sender: Sender, *, words: str) -> None:
    """The customer writes WORDS."""
    _send_one(sender, callbacks.text(words, **sender.who))


@sinch.command()
@FILE
@click.option("--caption", default="", help="Words that go with it.")
@_sending
def file(sender: Sender, *, file: Path, caption: str) -> None:
    """The customer sends FILE: Sinch keeps it, and posts a link."""
    link = sender.api.keep(file.name, file.read_bytes())
    _send_one(sender, callbacks.file(link, caption=caption, **sender.who))


@sinch.command()
@click.argument("emoji", default="❤️")
@click.option("--to", "message_id", help="The message reacted to; a fresh id by default.")
@_sending
def reaction(sender: Sender, *, emoji: str, message_id: str | None) -> None:
    """The customer reacts with EMOJI."""
    _send_one(sender, callbacks.reaction(emoji, to=message_id, **sender.who))


@sinch.command()
@click.argument("status", default="DELIVERED")
@click.option("--of", "message_id", help="The message reported on; a fresh id by default.")
@_sending
def report(sender: Sender, *, status: str, message_id: str | None) -> None:
    """A delivery report of STATUS: DELIVERED, READ, FAILED-window, FAILED-media …"""
    name = f"MESSAGE_DELIVERY/{status}"
    _check_sample(name)
    _send_one(sender, callbacks.report(status, message_id=message_id, **sender.who))


@sinch.command()
@click.argument("name")
@_sending
def sample(sender: Sender, *, name: str) -> None:
    """A callback like the sample NAME (see `samples`), with fresh ids."""
    _check_sample(name)
    _send_one(sender, callbacks.sample(name, **sender.who))


@sinch.command()
def samples() -> None:
    """The names that `sample` takes."""
    click.echo("\n".join(callbacks.names()))


@sinch.command()
@click.argument("count", type=click.IntRange(1))
@_sending
def flood(sender: Sender, *, count: int) -> None:
    """COUNT texts, as fast as the gateway takes them."""
    sent = [callbacks.text(f"Message {number}", **sender.who) for number in range(count)]
    receipts = sender.send(sent)
    answers = collections.Counter(str(answer.status or answer.error) for item in receipts for answer in item.answers)
    shown = Table("answer", "times")
    for answer, times in answers.most_common():
        shown.add_row(answer, str(times))
    Console().print(shown)
    sender.finish(receipts)


def _send_one(sender: Sender, callback: Callback) -> None:
    shown, receipts = Table("callback", "tries", "last answer", "after", "outcome"), sender.send([callback])
    for receipt in receipts:
        shown.add_row(*_cells(receipt))
    Console().print(shown)
    sender.finish(receipts)


def _cells(receipt: Receipt) -> tuple[str, ...]:
    last = receipt.answers[-1]
    outcome = "given up" if receipt.outcome == "again" else receipt.outcome
    answer = f"{last.status} {last.body.decode(errors='replace').strip()}" if last.status else last.error
    return receipt.letter.callback.name, str(receipt.tries), escape(answer), f"{1000 * last.seconds:.0f} ms", outcome


def _check_sample(name: str) -> None:
    if name not in callbacks.names():
        raise click.ClickException(f"no sample is called {name}; see `sinch samples`")
