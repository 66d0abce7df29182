"""What happens to a cluster while callbacks pour in: everybody dies once, and somebody stands still."""

from __future__ import annotations

import contextlib
import random
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace

from sandbox.child import ChildError
from sandbox.cluster import programs
from sandbox.cluster.cluster import Cluster
from sandbox.cluster.files import SharedFile
from sandbox.cluster.programs import Program
from sandbox.cluster.traffic import Traffic
from sandbox.cluster.verdict import Deed, Diary
from sandbox.faults import Fault
from sandbox.motion import Motion

STEADY, SLUGGISH = Fault(name="slow", seconds=0.02), Fault(name="slow", seconds=1)  # how Motion takes a delivery
AWAY_SECONDS = 2.0  # until somebody has promoted the standby
_CATCH_SECONDS = 10.0
_LEASE_ENDS_SECONDS = 400.0  # the longest lease, and what a busy machine adds

Tell = Callable[[str], None]


@dataclass
class Conductor:
    """Does one deed after the other, in the thread that has started all of it; `tell` says so."""

    cluster: Cluster
    motion: Motion
    traffic: Traffic
    file: SharedFile
    diary: Diary
    tell: Tell

    def node(self, name: str) -> ExitStack:
        """One machine dies, with all that runs on it; it comes back when the stack is closed."""
        return self._away(self.cluster.nodes[name], f"node {name} was dead", courier=name)

    def counters(self) -> ExitStack:
        return self._away(self.cluster.counters, f"{self.cluster.counters.name} was dead")

    def store(self) -> ExitStack:
        stack = self._away(self.cluster.store, "the S3 store was dead")
        self.file.look("while the store is dead")
        return stack

    def courier_of(self, name: str) -> None:
        """The courier beside the doors of a node dies; `serve` starts another."""
        with self._noted(f"the courier of node {name} was killed") as deed:
            self._strike(name, self.cluster.nodes[name].kill_courier, deed)
            self.cluster.nodes[name].wait_for_courier()

    def lone_courier(self, name: str) -> None:
        """A courier alone dies, and is started again."""
        with self._noted(f"courier {name} was killed") as deed:
            self._strike(name, self.cluster.couriers[name].kill, deed)
            self.cluster.couriers[name].start()

    def primary(self) -> ExitStack:
        """The primary dies and its standby is promoted; what had died is the standby when the stack is closed."""
        database, stack = self.cluster.database, ExitStack()
        with self._noted(
            f"{database.primary.name}, the primary, died, and {database.standby.name} was promoted"
        ) as deed:
            deed.concerned = None
            database.primary.kill()
            threading.Event().wait(AWAY_SECONDS)
            database.fail_over()
        stack.callback(self._mended)
        return stack

    def standing_still(self, name: str) -> ExitStack:
        """A courier stands still, with something in hand, until others have that and the stack is closed."""
        courier, stack = self.cluster.couriers[name], ExitStack()
        deed = stack.enter_context(self._noted(f"courier {name} stood still for longer than its lease"))
        self._strike(name, courier.halt, deed)
        stack.callback(courier.go_on)
        stack.callback(self._lease_ended, name)
        return stack

    def _strike(self, name: str, strike: Callable[[], None], deed: Deed) -> None:
        """Do it while Motion has yet to answer something of this courier's, if that comes to pass."""
        self.motion.set_fault(SLUGGISH)
        with contextlib.suppress(ChildError):
            programs.wait_for(lambda: self._on_its_way(name), "", seconds=_CATCH_SECONDS)
        strike()
        deed.concerned = frozenset(self._in_hand(name))
        self.tell(f"  with {len(deed.concerned)} in hand")
        self.motion.set_fault(STEADY)

    def _on_its_way(self, name: str) -> bool:
        self.traffic.allow_more()
        unanswered = {item.body for item in self.motion.received if item.answered is None}
        return not unanswered.isdisjoint(self._in_hand(name))

    def _in_hand(self, name: str) -> list[bytes]:
        """The bodies of what it has."""
        held = f"SELECT body FROM lane JOIN event ON event.id = claimed_event WHERE courier = '{name}'"  # noqa: S608
        return [bytes(body) for [body] in self.cluster.database.primary.ask(held)]

    def _lease_ended(self, name: str) -> None:
        otherwise = f"the lease of courier {name} does not end"
        programs.wait_for(lambda: not self._in_hand(name), otherwise, seconds=_LEASE_ENDS_SECONDS)

    def _mended(self) -> None:
        database = self.cluster.database
        database.mend()
        self.tell(f"{database.standby.name} is the standby of {database.primary.name} now")

    def _away(self, program: Program, what: str, *, courier: str = "") -> ExitStack:
        stack = ExitStack()
        deed = stack.enter_context(self._noted(what))
        if courier:
            self._strike(courier, program.kill, deed)
        else:
            program.kill()
        stack.callback(program.start)
        return stack

    @contextlib.contextmanager
    def _noted(self, what: str) -> Iterator[Deed]:
        with self.diary.during(what) as deed:
            self.tell(what)
            yield deed
        self.tell(f"over: {what}")


@dataclass(frozen=True)
class Moment:
    """What is begun once so many parts of all callbacks are answered 200, and when it is over."""

    begins: float
    ends: float
    begin: Callable[[Conductor], ExitStack | None]


def story(chance: random.Random) -> list[Moment]:
    """Everybody's turn, at moments that differ from seed to seed."""
    rows = (
        Moment(0.05, 0.95, lambda all_: all_.standing_still("d")),
        Moment(0.10, 0.22, lambda all_: all_.node("a")),
        Moment(0.15, 0.15, lambda all_: all_.courier_of("b")),
        Moment(0.25, 0.40, lambda all_: all_.counters()),
        Moment(0.30, 0.45, lambda all_: all_.store()),
        Moment(0.35, 0.35, lambda all_: all_.lone_courier("c")),
        Moment(0.50, 0.65, lambda all_: all_.primary()),
        Moment(0.60, 0.60, lambda all_: all_.courier_of("a")),
        Moment(0.72, 0.85, lambda all_: all_.node("b")),
        Moment(0.90, 0.90, lambda all_: all_.lone_courier("c")),
    )
    return [_shifted(row, chance.random() / 25) for row in rows]


def _shifted(row: Moment, by: float) -> Moment:
    return replace(row, begins=row.begins + by, ends=row.ends + by)


def conduct(conductor: Conductor, moments: Sequence[Moment], events: int) -> None:
    """Begin and end each at its moment; callbacks never run ahead of what is to happen next."""
    traffic = conductor.traffic
    with ExitStack() as all_of_them:
        steps = [step for moment in moments for step in _steps(conductor, moment, all_of_them)]
        steps.sort(key=lambda step: step[0])
        for (at, do), following in zip(steps, [*(step[0] for step in steps[1:]), 1.0], strict=True):
            traffic.allow(int(events * following))
            traffic.wait_until(int(events * at))
            do()
        traffic.finish()


def _steps(conductor: Conductor, moment: Moment, all_of_them: ExitStack) -> Iterator[tuple[float, Callable[[], None]]]:
    mine = all_of_them.enter_context(ExitStack())

    def begin() -> None:
        lasting = moment.begin(conductor)
        if lasting is not None:
            mine.push(lasting)

    yield moment.begins, begin
    yield moment.ends, mine.close
