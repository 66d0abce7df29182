"""PostgreSQL: how a spool's server is reached, what it is told by name, and what its errors are in our words.

What it is told otherwise than SQLite stands in `postgres.sql`.

Rule 1. Nothing is waited for beyond its time, and nothing is cancelled: a COMMIT that waits for a standby comes back as
        if it had succeeded when it is. Where time is over the connection is closed, and nobody knows whether it was
        committed; what is taken in once more is then a repeat.
Rule 2. What is committed is kept as safely as the server can: whatever it says by default, a COMMIT is on its disk, and
        on those of its synchronous standbys.
Rule 3. What SQLite files is filed here, too: a text with what PostgreSQL has no place for goes without it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache
from typing import Any

import psycopg
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from psycopg.types.array import ListBinaryDumper
from psycopg.types.numeric import Int8Dumper
from psycopg.types.string import StrDumperUnknown

from gateway import clock, telemetry
from gateway.errors import SpoolUnavailable
from gateway.phrases import Reason
from gateway.store import Run, named

Error = psycopg.Error
OVERTAKEN = (psycopg.errors.UniqueViolation, psycopg.errors.DeadlockDetected)

OLDEST = 150000  # as servers tell their release: 15
CONNECT_SECONDS = 2
PORT = 5432
# libpq's, where the URL says nothing of them: who is gone is noticed in some seconds, and only a primary will do.
PARAMETERS = {
    "client_encoding": "UTF8",
    "connect_timeout": CONNECT_SECONDS,
    "gssencmode": "disable",
    "keepalives_count": 3,
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "target_session_attrs": "read-write",
    "tcp_user_timeout": 5000,  # milliseconds
}
READ = b"BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"
LOCK_SECONDS = 1.1  # of our 2; longer than a server takes to see that two wait for each other
STANDSTILL_SECONDS = 5
VACUUM = "VACUUM event, send, report, heard, nonce, lane"
# By SQLSTATE, whole or its class (postgresql.org/docs/current/errcodes-appendix.html).
REASONS = {
    "08": Reason.SPOOL_AWAY,
    "25006": Reason.SPOOL_STANDBY,
    "25P03": Reason.SPOOL_SILENT,  # we stood still
    "28": Reason.SPOOL_NOT_LET_IN,
    "3F000": Reason.SPOOL_NO_RIGHTS,  # no schema of the search path is ours to use
    "3D000": Reason.SPOOL_NO_DATABASE,
    "40P01": Reason.SPOOL_LOCKED,
    "42501": Reason.SPOOL_NO_RIGHTS,
    "42P01": Reason.SPOOL_SCHEMA,
    "42703": Reason.SPOOL_SCHEMA,
    "53100": Reason.SPOOL_SERVER_FULL,
    "53300": Reason.SPOOL_CROWDED,
    "55P03": Reason.SPOOL_LOCKED,
    "57P": Reason.SPOOL_AWAY,
}
# For everybody, whatever is asked.
GONE = frozenset(REASONS.values()) - {Reason.SPOOL_LOCKED, Reason.SPOOL_SCHEMA, Reason.SPOOL_NO_RIGHTS}
GONE |= {Reason.SPOOL_ENCODING, Reason.SPOOL_SERVER_OLD, Reason.SPOOL_TLS}
# Of what a server says before anybody is let in, there is the text alone, and perhaps in its own language.
SAID = {
    r"authentication failed|pg_hba\.conf|role \".*\" does not exist|no password supplied": "28",
    r"database \".*\" does not exist": "3D000",
    r"session is (not )?read-only|hot standby|recovery mode": "25006",
    r"too many clients|connection slots are reserved|too many connections": "53300",
}
_TLS = re.compile(r"\bSSL\b|certificate|\bTLS\b")
_VALUE = re.compile(r"(?<!:):([a-z_]+)")
_UNSTORABLE = re.compile("[\0\ud800-\udfff]")


class Punctual(psycopg.Connection[tuple[Any, ...]]):
    """A connection that waits until `ends_at` and no longer (of the steady clock; None: as long as it takes)."""

    ends_at: float | None = None

    def wait(self, gen: Any, interval: float = 0.1, timeout: float | None = None) -> Any:  # noqa: ANN401 - psycopg's own
        if self.ends_at is None:
            return super().wait(gen, interval, timeout)
        try:
            return super().wait(gen, interval, max(0.0, self.ends_at - clock.steady()))
        except psycopg.OperationalError:
            if not self.closed and clock.steady() >= self.ends_at:
                self.close()  # in the midst of an answer, it is good for nothing any more
                raise SpoolUnavailable(Reason.SPOOL_SILENT) from None
            raise


class Storable(StrDumperUnknown):
    """Has any text be one that PostgreSQL knows: for who does not try whether it does."""

    def dump(self, obj: str) -> Any:  # noqa: ANN401 - psycopg's own
        return super().dump(_UNSTORABLE.sub("\ufffd", obj))


def connect(url: str, password: str, *, first: tuple[str, int] | None = None) -> Punctual:
    """Open a connection to whichever server of the URL is a primary. Raises SpoolUnavailable.

    `first`: the host and port that are asked before the others; one that is gone is waited for at its turn.
    """
    try:
        opened = Punctual.connect(conninfo(url, password, first=first), autocommit=True)
    except Error as error:
        raise SpoolUnavailable(reason(error)) from None
    opened.adapters.register_dumper(int, Int8Dumper)  # or each size of number is another statement to the server
    opened.adapters.register_dumper(list, ListBinaryDumper)  # bodies as they are, and not spelled out
    trouble = trouble_of(opened.info.server_version, opened.info.parameter_status("server_encoding"))
    if trouble is not None:
        opened.close()
        raise SpoolUnavailable(trouble)
    return opened


def conninfo(url: str, password: str, *, first: tuple[str, int] | None = None) -> str:
    """What libpq is told: what the URL says, with one of its hosts before the others, and else `PARAMETERS`."""
    ours = PARAMETERS | {"application_name": f"motion-gateway {telemetry.process()}".strip()}
    told: dict[str, Any] = ours | conninfo_to_dict(url) | ({"password": password} if password else {})
    hosts, ports = (str(told.get(name, "")).split(",") for name in ("host", "port"))
    ports *= len(hosts) if len(ports) == 1 else 1
    if len(hosts) == len(ports) > 1:  # else libpq says what is wrong
        places = sorted(zip(hosts, ports, strict=True), key=lambda place: (place[0], int(place[1] or PORT)) != first)
        told["host"], told["port"] = (",".join(each) for each in zip(*places, strict=True))
    return make_conninfo("", **told)


def trouble_of(version: int, encoding: str | None) -> Reason | None:
    """Say what keeps us from working with a server of that release, on a database in that encoding."""
    if version < OLDEST:
        return Reason.SPOOL_SERVER_OLD
    return None if encoding == "UTF8" else Reason.SPOOL_ENCODING


def commit(connection: Punctual) -> None:
    """Commit, and return once that is safe. Raises SpoolUnavailable, also where the server says more than that.

    One that it has stopped waiting for its standby with comes back as done, with a warning; one of a transaction that
    failed in between, as another word.
    """
    warnings = list[object]()
    connection.add_notice_handler(warnings.append)
    try:
        done = connection.execute("COMMIT", prepare=False).statusmessage
    finally:
        connection.remove_notice_handler(warnings.append)
    if warnings or done != "COMMIT":
        connection.close()
        raise SpoolUnavailable(Reason.SPOOL_SILENT if warnings else Reason.SPOOL_INTERRUPTED)


def to_write(patience_seconds: float) -> bytes:
    """What begins a transaction that takes so long at the most.

    A node that stands still in one holds its contacts' lanes: not for long, and nothing of it is answered yet.
    """
    settings = {
        "synchronous_commit": "on",
        "lock_timeout": f"{1000 * min(LOCK_SECONDS, 0.75 * patience_seconds):.0f}",
        "idle_in_transaction_session_timeout": f"{1000 * STANDSTILL_SECONDS}",
    }
    return "; ".join(["BEGIN", *(f"SET LOCAL {name} = {value}" for name, value in settings.items())]).encode()


def runner(connection: Punctual) -> Run:
    """What runs the named statements on a connection."""
    known, cursor = statements(), connection.cursor()

    def run(name: str, /, **values: object) -> list[Any]:
        text = known[name]
        if not text:
            return []
        try:
            cursor.execute(text, values)
        except (UnicodeEncodeError, psycopg.DataError):
            told = {key: storable(value) for key, value in values.items()}
            if told == values:
                raise
            cursor.execute(text, told)
        return cursor.fetchall() if cursor.description else []

    return run


@cache
def statements() -> Mapping[str, bytes]:
    """The named statements, with their values as psycopg finds them."""
    told = named.statements("postgres")
    return {name: _VALUE.sub(r"%(\1)s", text.replace("%", "%%")).encode() for name, text in told.items()}


def reason(error: Exception) -> Reason:
    """What went wrong, in our words: the driver's own may hold what others sent. Of SQLAlchemy's, of that within."""
    error = getattr(error, "orig", None) or error
    if isinstance(error, SpoolUnavailable):
        return Reason(error.reason)
    state = getattr(error, "sqlstate", None)
    if state is None and isinstance(error, psycopg.OperationalError):
        return _of_connecting(str(error))
    told = (REASONS.get(str(state)[:length]) for length in (5, 3, 2))
    return next(filter(None, told), Reason.SPOOL_FAILED)


def _of_connecting(text: str) -> Reason:
    """Of several hosts it has what each came to: one that says why counts, in whatever order, and none in silence."""
    for pattern, state in SAID.items():
        if re.search(pattern, text):
            return REASONS[state]
    return Reason.SPOOL_TLS if _TLS.search(text) else Reason.SPOOL_AWAY


def revision(run: Run) -> str | None:
    """The revision of the schema; None where there is none. Raises SpoolUnavailable where tables are another's."""
    if not run("has_revisions"):
        if run("is_foreign"):
            raise SpoolUnavailable(Reason.SPOOL_FOREIGN)
        return None
    found = run("revision")
    return str(found[0][0]) if found else None


def bears(run: Run) -> str:
    """Of a schema that is newer than this release's, the oldest revision whose release it serves too."""
    return str(run("bears")[0][0])


def storable(value: object) -> object:
    """What is filed of a value: PostgreSQL's texts have no place for NUL, nor for half a character."""
    if isinstance(value, list):
        return [storable(each) for each in value]
    return _UNSTORABLE.sub("\ufffd", value) if isinstance(value, str) else value
