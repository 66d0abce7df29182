"""Says what became of every callback: whether all that was answered 200 arrived, in order, and why some came twice.

What Motion heard first is held against the order in which it was sent; each further time needs a reason: something that
happened to the cluster between the two.
"""

from __future__ import annotations

import time
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

from rich.table import Table

from sandbox.cluster.traffic import Posted, Traffic
from sandbox.motion import Received

MOST_SHOWN = 5


@dataclass
class Deed:
    """Something that happened to the cluster, and for how long; in Unix seconds."""

    what: str
    began: float
    ended: float = float("inf")
    concerned: frozenset[bytes] | None = frozenset()  # the bodies that may come twice for it; None: any


@dataclass
class Diary:
    """All of it, in order."""

    deeds: list[Deed] = field(default_factory=list)

    @contextmanager
    def during(self, what: str) -> Iterator[Deed]:
        """It begins now, and ends with the block."""
        deed = Deed(what, time.time())
        self.deeds.append(deed)
        yield deed
        deed.ended = time.time()

    def why(self, first: Received, again: Received) -> str:
        """What happened last, of all that had not ended when it came first, and had begun when it came again.

        What concerned just this one goes before what may concern any.
        """
        found = [deed for deed in self.deeds if deed.began <= again.at and deed.ended >= first.at]
        of_it = [deed for deed in found if deed.concerned and first.body in deed.concerned]
        of_any = [deed for deed in found if deed.concerned is None]
        return (of_it or of_any)[-1].what if of_it or of_any else ""


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """Counts; `reasons` says of the repeats what had happened, "" standing for nothing."""

    events: int
    answers: Mapping[tuple[str, int | None], int]
    unsaid: int  # refused otherwise than with 503 and Retry-After
    answered_again: int  # 200 for what had been taken before
    lost: tuple[str, ...]
    disordered: tuple[str, ...]
    contacts: int
    unanswered: int  # of what Motion heard: whoever brought it was gone first
    reasons: Mapping[str, int]
    late: int  # repeats that came after a later message of the same contact
    left: Mapping[str, int]  # in the spool, of what should not be there
    files: Mapping[str, bool]  # whether its bytes were served, by where and when
    unexpected: tuple[str, ...]

    @property
    def problems(self) -> tuple[str, ...]:
        """What must not be; empty where all is well."""
        found = [f"lost: {name}" for name in self.lost]
        found += [f"out of order: {name}" for name in self.disordered]
        if unexplained := self.reasons.get("", 0):
            found.append(f"{unexplained} came twice, and nothing had happened")
        if self.unsaid:
            found.append(f"{self.unsaid} were refused otherwise than with 503 and Retry-After")
        found += [f"{count} {what}" for what, count in self.left.items() if count]
        found += [f"not served: {what}" for what, fine in self.files.items() if not fine]
        found += [f"Motion heard what nobody announced: {about}" for about in self.unexpected]
        return tuple(found)

    def table(self) -> Table:
        """For people."""
        shown = Table(title="What became of it", title_justify="left", box=None)
        for heading in ("", "what", "how many"):
            shown.add_column(heading, justify="right" if heading == "how many" else "left")
        for fine, what, count in self._rows():
            shown.add_row("[green]✓[/]" if fine else "[red]✗[/]", what, str(count))
        return shown

    def _rows(self) -> Iterator[tuple[bool, str, object]]:
        yield True, "callbacks sent, each until it was answered 200", self.events
        for (node, status), count in sorted(self.answers.items(), key=str):
            yield True, f"  node {node} answered {status or 'nothing: it was not there'}", count
        yield not self.unsaid, "  refused otherwise than with 503 and Retry-After", self.unsaid
        yield True, "  answered 200 once more, and taken once", self.answered_again
        yield not self.lost, "of them at Motion, byte for byte", f"{self.events - len(self.lost)} of {self.events}"
        yield not self.disordered, "contacts in order", f"{self.contacts - len(self.disordered)} of {self.contacts}"
        yield True, "came to Motion, and whoever brought it was gone before the answer", self.unanswered
        yield True, "were answered by Motion more than once", sum(self.reasons.values())
        for why, count in self.reasons.items():
            yield bool(why), f"  {why or 'and nothing had happened'}", count
        yield True, "  of these behind a later one of their contact", self.late
        for what, count in self.left.items():
            yield not count, what, count
        for what, fine in self.files.items():
            yield fine, what, "served" if fine else "not served"


def found(
    traffic: Traffic,
    received: Sequence[Received],
    diary: Diary,
    *,
    left: Mapping[str, int],
    files: Mapping[str, bool],
    unexpected: Sequence[str],
) -> Verdict:
    """Hold what Motion heard against what was answered."""
    posted = list(traffic.posted())
    heard: dict[bytes, list[Received]] = defaultdict(list)
    for item in received:
        if item.accepted:
            heard[item.body].append(item)
    again = [(each[0], one) for each in heard.values() for one in each[1:]]
    reasons = Counter(diary.why(first, one) for first, one in again)
    return Verdict(
        events=len(posted),
        answers=traffic.answers(),
        unsaid=sum(_unsaid(each) for each in posted),
        answered_again=sum(len(each.accepted) - 1 for each in posted if each.accepted),
        lost=tuple(f"{each.letter.nonce}" for each in posted if each.accepted and each.letter.body not in heard),
        disordered=tuple(name for name, sent in traffic.letters.items() if not _in_order(sent, heard)),
        contacts=len(traffic.letters),
        unanswered=sum(item.answered is None for item in received),
        reasons=dict(reasons),
        late=sum(_late(sent, heard) for sent in traffic.letters.values()),
        left=left,
        files=files,
        unexpected=tuple(unexpected)[:MOST_SHOWN],
    )


def _unsaid(posted: Posted) -> int:
    """Who is not there says nothing; who is says 503 and when to come again."""
    refusals = [told for told in posted.answers if told.status not in (None, 200)]
    return sum(told.status != 503 or not told.retry_after for told in refusals)


def _in_order(sent: Sequence[Posted], heard: Mapping[bytes, Sequence[Received]]) -> bool:
    first = [heard[each.letter.body][0].number for each in sent if each.letter.body in heard]
    return first == sorted(first)


def _late(sent: Sequence[Posted], heard: Mapping[bytes, Sequence[Received]]) -> int:
    """How many of a contact's came again after one that was sent later had come."""
    late, latest_at = 0, float("inf")
    for each in reversed(sent):
        items = heard.get(each.letter.body, ())
        late += sum(item.number > latest_at for item in items[1:])
        latest_at = min(latest_at, *(item.number for item in items)) if items else latest_at
    return late
