"""How stories are told to people, whatever they are laid out on: their titles, days and causes; and what is told of
what nobody knows.

Phone numbers are whole or masked; of what was asked, where it is one, no more than its beginning and its end.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby

from gateway import printable
from gateway.clock import DAY_SECONDS, written
from gateway.config import Settings
from gateway.diagnosis import asked, conclusion, experience, fate, reasons, story, trace
from gateway.diagnosis.material import GO_ON, Material
from gateway.store import engines, turned_away

MOST_CONTACTS = 3  # that are named at the head of a story


@dataclass(frozen=True, kw_only=True)
class Narrator:
    """How stories are told: the newest `most` lines of each, and phone numbers whole or masked."""

    now: float
    most: int
    reveal: bool

    def shown(self, text: str) -> str:
        """Mask the phone numbers in it, unless they may be seen."""
        return text if self.reveal else story.masked(text)

    def title(self, about: Material) -> str:
        """Name a story, with whom and which accounts it is about."""
        whom, accounts = self.contacts(about), [f"connector {number}" for number in about.connectors]
        if about.kind == "contact":
            return self.shown(", ".join((f"Contact {' and '.join(whom) or about.name}", *accounts)))
        name = f"{about.kind.capitalize()} {about.name}".strip()
        return self.shown(", ".join((name, *(f"contact {one}" for one in whom[:MOST_CONTACTS]), *accounts)))

    def contacts(self, about: Material) -> list[str]:
        """Each contact by its id and number, as far as they are known."""
        return [
            f"{contact_id} ({told})" if contact_id and told else contact_id or told
            for contact_id, identity in about.contacts
            for told in [(identity if self.reveal else story.number(identity)) if identity else ""]
        ]

    def newest(self, about: Material) -> list[story.Moment]:
        """What happened last, in the order of time."""
        return [story.Moment(moment.at, moment.who, self.shown(moment.says)) for moment in story.moments(about)][
            -self.most :
        ]

    def earlier(self, about: Material) -> int:
        """How much more there is before what is told."""
        return about.earlier + max(len(story.moments(about)) - self.most, 0)

    def days(self, about: Material) -> Iterator[tuple[str, list[story.Moment]]]:
        """What happened last, day by day."""
        for day, of_day in groupby(self.newest(about), key=lambda moment: _day(moment.at)):
            yield day, [*of_day]

    def latest(self, about: Material) -> str:
        """Say how old the newest is, of a story that is never at its end; "" of others."""
        if about.kind not in GO_ON or not about.newest_at:
            return ""
        return f"The newest is of {written(about.newest_at)}, {self._ago(about.newest_at)}."

    def conclusions(self, about: Material) -> list[fate.Conclusion]:
        """Say what the story comes to."""
        return conclusion.conclude(about, now=self.now)

    def concluded(self, one: fate.Conclusion, about: Material) -> Iterator[tuple[str, str]]:
        """Tell one cause in words, each under its title: what came of it or why, what to do, and who does that."""
        at = written(one.at)
        beside = [f"{one.times} times, the last {at}"] if one.times > 1 else []
        if about.kind in GO_ON and not beside and at not in one.sentence:
            beside = [at]
        told = ", ".join((*beside, self._ago(one.at)))
        yield "Result" if one.fine else "Why", self.shown(f"{one.sentence} ({told})")
        if one.remedy:
            yield "Do", self.shown(one.remedy)
        if one.who and not one.fine:
            yield "Who", f"{reasons.who(one.who)}{f'; code {one.code}' if one.code else ''}"

    def _ago(self, at: float) -> str:
        return printable.ago(self.now - at)


@dataclass(frozen=True)
class NothingFound:
    """What is told where nothing was found: what there is from before, who was turned away, and what to do next."""

    question: asked.Question
    since: float | None
    searched: trace.Searched
    refused: Sequence[turned_away.Turned]
    refused_since: float
    before: Sequence[Material]

    @property
    def older(self) -> str:
        """Say what there is from before the time that was asked for; "" where there is none either."""
        if not self.before or not self.since:
            return ""
        counts = " and ".join(about.counted for about in self.before)
        last = f", the last at {self.last_before}" if self.last_before else ""
        return f"Nothing of {self._word} since {written(self.since)}; before that {counts}{last}."

    @property
    def last_before(self) -> str | None:
        last = max((about.newest_at or 0.0 for about in self.before), default=0.0)
        return written(last) if last else None

    @property
    def unknown(self) -> Iterator[str]:
        """Say that nobody knows it, and where that was looked for."""
        searched, kind = self.searched, self.question.kind
        since = f", the oldest of {written(searched.oldest_at)}" if searched.oldest_at else ""
        events = printable.counted(searched.events, "event")
        sends, files = printable.counted(searched.sends, "send"), printable.counted(searched.attachments, "attachment")
        yield f"Nothing is known of {self._word}{f' as {kind}' if kind else ''}."
        yield (
            f"Looked through {events}{since}, {sends} and {files}, by ids, numbers, contacts, requests and references, "
            "and through the bodies of callbacks. What was turned away is no event."
        )
        if self.question.may_be_logged:
            yield f"Of other requests the log alone tells: `journalctl -u 'motion-gateway*' -g {self._word}`"

    @property
    def kinds(self) -> dict[str, str]:
        """What can be asked for, each with how it is said; none where that was understood."""
        return {} if self.question.is_understood else asked.KINDS

    @property
    def lately(self) -> str:
        """Say whether anybody was turned away lately, or what to look at next where nobody was."""
        when = f"since {written(self.refused_since)}" if self.since == self.refused_since else "in the last day"
        if self.refused:
            return f"Turned away {when}, the latest first; it may be among these:"
        return f"Nothing was turned away {when}. {self.question.next_step}"

    @property
    def among(self) -> Iterator[tuple[float, str]]:
        """Those who were turned away, each with the time of the last."""
        for row in self.refused[: conclusion.MOST]:
            about, times = f" ({row.about})" if row.about else "", printable.counted(row.count, "time")
            yield row.last_at, f"{times}, door {row.door}: {row.reason}{about}. {experience.remedy(row)}"

    @property
    def _word(self) -> str:
        phone = self.question.phone
        return "this link" if self.question.link else story.number(phone.whole[0]) if phone else self.question.word


def ask(
    question: asked.Question,
    settings: Settings,
    spool: engines.Database,
    *,
    now: float,
    most: int,
    since: float | None = None,
) -> tuple[list[Material], NothingFound | None]:
    """Gather the stories that fit a question; where there is none, what is told instead. Raises SpoolUnavailable."""
    lately, ever = (trace.Tracer(settings, spool, now=now, since=of, most=most) for of in (since or 0.0, 0.0))
    if found := lately.find(question):
        return found, None
    before = ever.find(question) if since else []
    day = max(now - DAY_SECONDS, since or 0.0)
    return [], NothingFound(question, since, lately.searched(), lately.turned_away(since=day), day, before)


def _day(at: float) -> str:
    return f"{written(at)[:10]} (UTC{written(at)[19:]})"
