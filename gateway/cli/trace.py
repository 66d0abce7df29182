"""`trace`: one story of a message, a customer or a file, why it did not arrive, and what to do."""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby

import click

from gateway import cli, printable
from gateway.cli.spool import look, opened_spool
from gateway.clock import WallClock, written
from gateway.diagnosis import asked, conclusion, experience, fate, material, reasons, story
from gateway.diagnosis.trace import Searched, Tracer
from gateway.errors import CommandError
from gateway.store.turned_away import Turned

UNKNOWN = 1  # the exit status
LATELY_SECONDS = 24 * 3600.0
MOST_CONTACTS = 3  # that are named at the head of a story
WHO = max(map(len, (story.CUSTOMER, story.TURNED_AWAY))) + printable.GAP


@click.command()
@click.argument("what", metavar="[WHAT]...", nargs=-1)
@click.option("--reveal", is_flag=True, help="Show phone numbers whole. That is recorded.")
@cli.options("since", "most", "json")
@click.pass_obj
def trace(
    invocation: cli.Invocation, what: tuple[str, ...], *, reveal: bool, since: float | None, most: int, as_json: bool
) -> None:
    """Tell what happened to a message, a customer or a file: why it did not arrive, and what to do.

    WHAT is Sinch's id of a message, contact or conversation; the number of an event, a send or an attachment; any link
    to an attachment; a request id; a reference of ours; or a customer's number in any spelling. Where one number is
    several things, all are told: `trace event 17` says which. It works while the gateway is down. The exit status is 1
    if nothing is known of WHAT.

    Without WHAT it is read from standard input: what stands in a command, others on this machine may see.
    """
    settings, question = invocation.settings(), asked.read(" ".join(what) if what else sys.stdin.readline())
    if not question.word:
        raise CommandError("say what to trace: an id, a link or a number; `motion-gateway trace --help` lists them")
    telling = _Telling(now=WallClock().now(), most=most, reveal=reveal)
    with opened_spool(invocation) as spool:
        if reveal:
            look(spool, "the phone numbers of a trace", process="trace")
        lately, ever = (Tracer(settings, spool, now=telling.now, since=of, most=most) for of in (since or 0.0, 0.0))
        found = lately.find(question)
        before = ever.find(question) if since and not found else []
        nothing = None if found else _look_around(question, lately, before, now=telling.now, since=since)
    if as_json:
        unknown = nothing.for_programs() if nothing else {}
        cli.print_json({"stories": [telling.for_programs(about) for about in found]} | unknown)
    else:
        lines = nothing.lines() if nothing else telling.stories(found)
        click.echo("\n".join(telling.shown(line) for line in lines))
    click.get_current_context().exit(0 if found else UNKNOWN)


@dataclass(frozen=True, kw_only=True)
class _Telling:
    """How stories are told: the newest `most` lines of each, and phone numbers whole or masked."""

    now: float
    most: int
    reveal: bool

    def shown(self, text: str) -> str:
        return text if self.reveal else story.masked(text)

    def stories(self, found: Sequence[material.Material]) -> Iterator[str]:
        for place, about in enumerate(found):
            yield from ("",) * bool(place)
            yield from self._story(about)
        if len(found) > 1:
            kinds = sorted({about.kind for about in found})
            before = f", with what it is before it ({', '.join(kinds)})" if len(kinds) > 1 else ""
            yield ""
            yield from _wrapped(f"These are {len(found)} stories. Ask for one of them by its id{before}.")

    def for_programs(self, about: material.Material) -> dict[str, object]:
        moments = story.moments(about)
        concluded = conclusion.conclude(about, now=self.now)
        return {
            "kind": about.kind,
            "name": self.shown(about.name),
            "contacts": self._contacts(about),
            "connectors": list(about.connectors),
            "earlier": about.earlier + max(len(moments) - self.most, 0),
            "moments": [
                dataclasses.asdict(moment) | {"at": written(moment.at), "says": self.shown(moment.says)}
                for moment in moments[-self.most :]
            ],
            "conclusions": [
                dataclasses.asdict(one) | {"at": written(one.at), "sentence": self.shown(one.sentence)}
                for one in concluded
            ],
        }

    def _story(self, about: material.Material) -> Iterator[str]:
        moments = story.moments(about)
        newest = moments[-self.most :]
        earlier = about.earlier + len(moments) - len(newest)
        yield from _wrapped(self._title(about))
        if earlier:
            more = (
                f"--most {earlier + self.most} tells all" if earlier + self.most <= cli.MOST else "--since tells more"
            )
            yield from _wrapped(f"The newest part; {earlier} more before it: {more}.")
        if about.kind in material.GO_ON and about.newest_at:
            yield from _wrapped(f"The newest is of {written(about.newest_at)}, {self._ago(about.newest_at)}.")
        for day, of_day in groupby(newest, key=lambda moment: _day(moment.at)):
            yield from ("", day)
            for moment in of_day:
                head = f" {written(moment.at)[11:19]}  {moment.who:<{WHO}}"
                yield from _wrapped(moment.says, head=head)
        for one in conclusion.conclude(about, now=self.now):
            yield ""
            yield from self._concluded(one, dated=about.kind in material.GO_ON)

    def _concluded(self, one: fate.Conclusion, *, dated: bool) -> Iterator[str]:
        beside = [f"{one.times} times, the last {written(one.at)}"] if one.times > 1 else []
        if dated and not beside and written(one.at) not in one.sentence:
            beside = [written(one.at)]
        told = ", ".join((*beside, self._ago(one.at)))
        yield from _wrapped(f"{one.sentence} ({told})", head=" Result  " if one.fine else " Why     ")
        if one.remedy:
            yield from _wrapped(one.remedy, head=" Do      ")
        if one.who and not one.fine:
            code = f"; code {one.code}" if one.code else ""
            yield from _wrapped(f"{reasons.who(one.who)}{code}", head=" Who     ")

    def _ago(self, at: float) -> str:
        return printable.ago(self.now - at)

    def _title(self, about: material.Material) -> str:
        whom, accounts = self._contacts(about), [f"connector {number}" for number in about.connectors]
        if about.kind == "contact":
            return ", ".join((f"Contact {' and '.join(whom) or about.name}", *accounts))
        name = f"{about.kind.capitalize()} {about.name}".strip()
        return ", ".join((name, *(f"contact {one}" for one in whom[:MOST_CONTACTS]), *accounts))

    def _contacts(self, about: material.Material) -> list[str]:
        """Each contact by its id and number, as far as they are known."""
        return [
            f"{contact_id} ({told})" if contact_id and told else contact_id or told
            for contact_id, identity in about.contacts
            for told in [(identity if self.reveal else story.number(identity)) if identity else ""]
        ]


def _day(at: float) -> str:
    return f"{written(at)[:10]} (UTC{written(at)[19:]})"


def _wrapped(text: str, *, head: str = "") -> list[str]:
    """On a screen as wide as that is, for a program one line. Nothing is cut: ids are whole."""
    return printable.wrapped(printable.text(text), cli.columns(), head=head)


@dataclass(frozen=True)
class _Nothing:
    """What is told where nothing was found: what there is from before, who was turned away, and what to do next."""

    question: asked.Question
    since: float | None
    searched: Searched
    refused: Sequence[Turned]
    refused_since: float
    before: Sequence[material.Material]

    def lines(self) -> Iterator[str]:
        phone = self.question.phone
        word = "this link" if self.question.link else story.number(phone.whole[0]) if phone else self.question.word
        if self.before and self.since:
            counts = " and ".join(about.counted for about in self.before)
            last = f", the last at {self._last_before}" if self._last_before else ""
            began = f"Nothing of {word} since {written(self.since)}"
            yield from _wrapped(f"{began}; before that {counts}{last}. Leave out --since.")
        else:
            yield from self._unknown(word)
        yield from self._turned_away()

    def for_programs(self) -> dict[str, object]:
        rows = [cli.for_programs(row) | {"remedy": experience.remedy(row)} for row in self.refused]
        before = {"stories": len(self.before), "last_at": self._last_before}
        return {"searched": cli.for_programs(self.searched), "turned_away": rows, "before": before}

    @property
    def _last_before(self) -> str | None:
        last = max((about.newest_at or 0.0 for about in self.before), default=0.0)
        return written(last) if last else None

    def _unknown(self, word: str) -> Iterator[str]:
        searched, kind = self.searched, self.question.kind
        since = f", the oldest of {written(searched.oldest_at)}" if searched.oldest_at else ""
        events = printable.counted(searched.events, "event")
        sends, files = printable.counted(searched.sends, "send"), printable.counted(searched.attachments, "attachment")
        yield from _wrapped(f"Nothing is known of {word}{f' as {kind}' if kind else ''}.")
        yield from _wrapped(
            f"Looked through {events}{since}, {sends} and {files}, by ids, numbers, contacts, requests and references, "
            "and through the bodies of callbacks. What was turned away is no event."
        )
        if self.question.may_be_logged:
            yield from _wrapped(f"Of other requests the log alone tells: `journalctl -u 'motion-gateway*' -g {word}`")
        if not self.question.is_understood:
            yield from ("", "What can be asked for:")
            for name, says in asked.KINDS.items():
                yield from _wrapped(says, head=f" {name:<14}")

    def _turned_away(self) -> Iterator[str]:
        when = f"since {written(self.refused_since)}" if self.since == self.refused_since else "in the last day"
        yield ""
        if self.refused:
            yield from _wrapped(f"Turned away {when}, the latest first; it may be among these:")
        else:
            yield from _wrapped(f"Nothing was turned away {when}. {self.question.next_step}")
        for row in self.refused[: conclusion.MOST]:
            about, times = f" ({row.about})" if row.about else "", printable.counted(row.count, "time")
            says = f"{times}, door {row.door}: {row.reason}{about}. {experience.remedy(row)}"
            yield from _wrapped(says, head=f" {written(row.last_at)}  ")


def _look_around(
    question: asked.Question, tracer: Tracer, before: Sequence[material.Material], *, now: float, since: float | None
) -> _Nothing:
    """Look for who was turned away lately."""
    day = max(now - LATELY_SECONDS, since or 0.0)
    return _Nothing(question, since, tracer.searched(), tracer.turned_away(since=day), day, before)
