"""Which links of customers' files are to be followed, by whom, and how it ended: in the spool's database.

Rule 1. An event whose callback names files has a row for each of them from the first look on, and says in `media` how
        many are still to be seen to. With the last one its lane is due: whoever waits for its files need not.
Rule 2. Whoever takes a link has it until a lease ends, and says how it ended, or not: then another one takes it. A try
        is counted when it is taken. With what three in a row have died a fourth is not let near it.
Rule 3. What is said of a link that is in another's hand by now changes nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from gateway.inbound import places
from gateway.inbound.arrivals import HELD
from gateway.inspection import structure
from gateway.phrases import Reason
from gateway.store import Run
from gateway.store.engines import Database

MOST_DEATHS = 3


@dataclass(frozen=True)
class Errand:
    """A link in a fetcher's hand. Times are epoch seconds."""

    event_id: int
    number: int
    connector_id: int
    url: str
    tries: int  # this one included
    lane: str
    accepted_at: float
    deadly: bool  # so many have died with it that it is to be let be
    held: bool  # already, for want of a scanner

    @property
    def attachment_id(self) -> str:
        """The name under which the vault's register has the file."""
        return f"in{self.event_id}.{self.number}"


@dataclass(frozen=True, kw_only=True)
class Ending:
    """What has become of one: of a file that is here all of it, of another one why it is not."""

    state: str
    reason: str = ""
    digest: bytes | None = None
    size_bytes: int = 0
    name: str = ""
    mime: str = ""
    verdict: str = ""
    inspection: structure.Inspection | None = None
    due_at: float = 0.0  # when one that is held for want of a scanner is looked at again


@dataclass(frozen=True)
class Fetching:
    """The errands of one fetcher. Safe to use from several threads."""

    spool: Database
    fetcher: str  # its node's name; "" is alone
    lease_seconds: float
    wants: Callable[[int], bool]  # whether the files of that connector are fetched

    def begin(self) -> None:
        """Free what the one before it has died with. Raises SpoolUnavailable, as all here do."""
        self.spool.tell(lambda run: run("free_files", fetcher=self.fetcher))

    def let_go(self) -> None:
        """Let others have at once what is in hand, as if it had not been taken."""
        self.spool.tell(lambda run: run("let_go_files", fetcher=self.fetcher))

    def note_new(self, *, now: float, most: int) -> int:
        """Give each link of events that nobody has looked at its row; returns how many events that were."""
        new = self.spool.glance("new_media", most=most)
        rows = [
            (event_id, self._links(connector_id, bytes(body)), connector_id) for event_id, connector_id, body in new
        ]

        def work(run: Run) -> None:
            for event_id, links, connector_id in rows:
                for number, link in links:
                    about = {"event_id": event_id, "number": number, "connector_id": connector_id}
                    run("add_file", place=link.place, url=link.url, now=now, **about)
                run("count_media", event_id=event_id)

        if rows:
            self.spool.tell(work)
        return len(rows)

    def take(self, *, now: float, most: int) -> list[Errand]:
        """Take what is due, those first that were never tried."""
        due = self.spool.glance("due_files", now=now, most=most)
        if not due:
            return []
        until = now + self.lease_seconds

        def work(run: Run) -> list[Errand]:
            taken = []
            for event_id, number, reason, state in due:
                mine = {"event_id": event_id, "number": number, "fetcher": self.fetcher}
                row = run("take_file", until=until, now=now, reason=Reason.MEDIA_KILLS, **mine)
                of = run("event_of_file", event_id=event_id) if row else ()
                if of:
                    [(connector_id, url, tries)], [(lane, at)] = row, of
                    deadly = reason == Reason.MEDIA_KILLS and tries > MOST_DEATHS
                    taken.append(Errand(event_id, number, connector_id, url, tries, lane, at, deadly, state == HELD))
                elif row:
                    run("drop_files", event_id=event_id)
            return taken

        return self.spool.tell(work)

    def settle(self, errand: Errand, found: Ending, *, now: float) -> bool:
        """Write down what has become of it. Tells whether it was the last one that its event has waited for."""
        seen = found.inspection
        told = {name: getattr(found, name) for name in ("state", "reason", "digest", "size_bytes", "name", "mime")}
        told |= {"verdict": found.verdict, "due_at": found.due_at, "now": now, **self._mine(errand)}
        told["inspection"] = structure.written(seen) if seen else None

        def work(run: Run) -> bool:
            run("settle_file", **told)
            left = run("count_media", event_id=errand.event_id)
            if not left:  # it was erased while its file was fetched
                run("forget_attachment", attachment_id=errand.attachment_id)
            is_last = left == [(0,)] and not errand.held
            if is_last:
                run("wake_for_files", lane=errand.lane, event_id=errand.event_id)
            return is_last

        return self.spool.tell(work, lanes=(errand.lane,))

    def postpone(self, errand: Errand, reason: str, *, due_at: float, now: float) -> None:
        """Let it be tried again then."""
        self.spool.tell(lambda run: run("postpone_file", due_at=due_at, reason=reason, now=now, **self._mine(errand)))

    def _links(self, connector_id: int, body: bytes) -> list[tuple[int, places.InboundLink]]:
        return [*enumerate(places.find(body), 1)] if self.wants(connector_id) else []

    def _mine(self, errand: Errand) -> dict[str, object]:
        return {"event_id": errand.event_id, "number": errand.number, "fetcher": self.fetcher}
