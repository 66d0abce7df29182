"""`reasons`: what the codes mean that Sinch, WhatsApp and this gateway give."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import click

from gateway.cli import UNCUT, columns, options, print_facts, print_json
from gateway.diagnosis import reasons as meanings

Meaning = meanings.Meaning
of_turned_away = meanings.of_turned_away

SOME_UNKNOWN = 1  # the exit status
WIDEST = 30  # characters of a code that has its meaning beside it


@click.command()
@click.argument("codes", metavar="[CODE]...", nargs=-1)
@options("json")
def reasons(codes: tuple[str, ...], *, as_json: bool) -> None:
    """Say what each CODE means, who acts, what to do, and whether to try again.

    A CODE is one of a delivery report (its code, sub code or channel code), of an answer of Sinch's, or of this
    gateway's: a refusal, a finding, a reason of the log, a status of Motion's. Without one, all are listed by who acts.
    The exit status is 1 if a CODE is not known.
    """
    codes = (" ".join(codes),) if meanings.explain(" ".join(codes)) else codes
    if as_json:
        print_json([_for_programs(code) for code in codes or _all()])
    elif codes:
        _print(codes)
    else:
        _print_all()
    if any(meanings.explain(code) is None for code in codes):
        click.get_current_context().exit(SOME_UNKNOWN)


def told(explained: Iterable[Meaning | None]) -> Iterator[tuple[str, str]]:
    """What the codes of something mean, for those who read its facts; None says nothing."""
    for meaning in explained:
        if meaning:
            yield "reason", meaning.code
            yield from meanings.facts(meaning)


def short(explained: Iterable[Meaning | None]) -> str:
    """Who acts on them, in a word each."""
    return ", ".join(dict.fromkeys(meaning.who for meaning in explained if meaning))


def for_programs(meaning: Meaning) -> dict[str, object]:
    """What is known of a code, by names."""
    words = {title.replace(" ", "_"): said for title, said in meanings.facts(meaning)}
    return {"code": meaning.code, "who": meaning.who, "retry": meaning.retry, **words}


def _all() -> list[str]:
    return [row.code for row in meanings.known().values()]


def _for_programs(code: str) -> dict[str, object]:
    if meaning := meanings.explain(code):
        return for_programs(meaning) | {"known": True}
    return {"code": code, "known": False, "near": meanings.near(code)}


def _print(codes: tuple[str, ...]) -> None:
    for place, code in enumerate(codes):
        if place:
            click.echo()
        print_facts(_facts(code))


def _facts(code: str) -> Iterator[tuple[str, str]]:
    if meaning := meanings.explain(code):
        yield "code", meaning.code
        yield from meanings.facts(meaning)
        return
    yield from meanings.of_unknown(code, title="code")
    if near := meanings.near(code):
        yield "did you mean", ", ".join(near)


def _print_all() -> None:
    width = columns()
    for who, rows in meanings.grouped():
        listing = click.HelpFormatter(width=width)
        listing.write(f"Who acts: {who}\n")
        with listing.indentation():
            listing.write_dl([(row.code, row.sentence) for row in rows], col_max=WIDEST if width < UNCUT else UNCUT)
        click.echo(listing.getvalue())
    click.echo("`motion-gateway reasons CODE` tells what to do, and whether to try again.")
