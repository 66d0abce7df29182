"""A real PostgreSQL server for tests: Debian's package, run by an ordinary user in a temporary folder."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from itertools import count
from pathlib import Path

import psycopg

from tests.spool_samples import psycopg_of, until

USER = "motion"
ACCOUNT = "postgres"  # of the package: the server does not run as root
INITDB = ("--no-sync", "--auth=trust", f"--username={USER}", "--encoding=UTF8")
KEPT = Path(__file__).parents[1] / "build/postgresql"  # what each server begins with, by its release and by INITDB
# What it shares in memory lies in its folder, and goes with that when it is killed.
FRUGALLY = {"max_connections": "60", "shared_buffers": "16MB", "dynamic_shared_memory_type": "mmap"}
# What a test loses with the machine it can do again.
QUICKLY = {"fsync": "off", "full_page_writes": "off", "autovacuum": "off"}


class PostgreSQL:
    """One server on a Unix socket, with as many databases as are asked for; it can be killed and come back.

    With a `port` it listens on loopback, too; with `options` it keeps what it has committed when it is killed, unless
    they say otherwise.
    """

    def __init__(self, *, port: int = 0, options: dict[str, str] | None = None) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="postgresql-"))
        self.folder.chmod(0o755)
        self.data = self.folder / "data"
        self._as: tuple[str, ...] = ()
        if os.geteuid() == 0:
            shutil.chown(self.folder, ACCOUNT, ACCOUNT)
            self._as = (f"--reuid={ACCOUNT}", f"--regid={ACCOUNT}", "--init-groups", "--reset-env")
        place = {"unix_socket_directories": str(self.folder), "listen_addresses": "127.0.0.1" if port else ""}
        self._options = FRUGALLY | place | {"port": str(port or 5432)} | (QUICKLY if options is None else options)
        self._numbers = count(1)
        self._lay()
        self.start()

    def _lay(self) -> None:
        """Lay its first files: as those of the first server that this checkout has had of that release."""
        release = subprocess.run(self._command("postgres", "--version"), check=True, capture_output=True, text=True)
        kept = KEPT / re.sub(r"[^0-9A-Za-z.]+", "-", f"{release.stdout}{INITDB}").strip("-")
        if kept.exists():
            subprocess.run(("cp", "-a", kept, self.data), check=True)
            return
        self.run("initdb", f"--pgdata={self.data}", *INITDB)
        KEPT.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=KEPT) as folder:
            subprocess.run(("cp", "-a", self.data, folder), check=True)
            with suppress(OSError):  # another server was the first
                (Path(folder) / self.data.name).rename(kept)

    def run(self, program: str, *arguments: str) -> None:
        """Run one of the package's programs as the server's account."""
        subprocess.run(self._command(program, *arguments), check=True, capture_output=True, timeout=60)

    def start(self) -> None:
        """Come back once it answers."""
        told = [f"--{name}={value}" for name, value in self._options.items()]
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(self._command("postgres", "-D", str(self.data), *told), stderr=log)
        until(self._answers, "the server answers")

    def stop(self) -> None:
        """Let nobody finish, and leave all in order."""
        self._process.send_signal(signal.SIGINT)
        self._process.wait(timeout=60)

    def kill(self) -> None:
        """Have it and all that work for it die at once."""
        self._tell_all(signal.SIGKILL, self._everybody())
        self._process.wait(timeout=60)

    @contextmanager
    def frozen(self) -> Iterator[None]:
        """It and all that work for it stand still, and their connections with them."""
        everybody = self._everybody()
        self._tell_all(signal.SIGSTOP, everybody)
        try:
            yield
        finally:
            self._tell_all(signal.SIGCONT, everybody)

    def remove(self) -> None:
        self.kill()
        shutil.rmtree(self.folder, ignore_errors=True)

    def url(self, database: str = "postgres") -> str:
        """Where that database is, as `spool.url` says it: by its socket."""
        return f"postgresql://{USER}@/{database}?host={self.folder}&port={self._options['port']}"

    def database(self, *, like: str = "template0") -> str:
        """Make one more database, empty or a copy of the one that `like` names, and return its name."""
        name = f"spool_{next(self._numbers)}"
        self.tell(f"CREATE DATABASE {name} TEMPLATE {like} STRATEGY = FILE_COPY")
        return name

    def tell(self, statement: str, *, database: str = "postgres") -> None:
        """Run a statement of ours behind everybody's back."""
        with psycopg.connect(self.url(database), autocommit=True) as connection:
            connection.execute(statement.encode())

    def _everybody(self) -> list[int]:
        pid = self._process.pid
        with suppress(FileNotFoundError):
            return [pid, *map(int, Path(f"/proc/{pid}/task/{pid}/children").read_text().split())]
        return []  # it has ended

    @staticmethod
    def _tell_all(number: signal.Signals, pids: Sequence[int]) -> None:
        for pid in pids:
            with suppress(ProcessLookupError):
                os.kill(pid, number)

    def _answers(self) -> bool:
        assert self._process.poll() is None, (self.folder / "log").read_text()
        with suppress(psycopg.OperationalError):
            psycopg.connect(self.url()).close()
            return True
        return False

    def _command(self, program: str, *arguments: str) -> tuple[str, ...]:
        """It ends with whoever started it, however that ends."""
        folders = Path("/usr/lib/postgresql").glob("*/bin")  # on nobody's PATH
        newest = max(folders, key=lambda folder: int(folder.parent.name))
        return ("setpriv", *self._as, "--pdeathsig=SIGQUIT", str(newest / program), *arguments)


# Of the tables, and of who has moved them: whatever a test has done to them, if it was more than to their rows.
MADE_AS = """
SELECT array_agg(told ORDER BY told) FROM (
    SELECT oid || ' ' || xmin AS told FROM pg_class WHERE relnamespace = 'public'::regnamespace
    UNION ALL SELECT attrelid || ' ' || attnum || ' ' || pg_attribute.xmin FROM pg_attribute
    JOIN pg_class ON pg_class.oid = attrelid WHERE relnamespace = 'public'::regnamespace
    UNION ALL SELECT alembic_version::text FROM alembic_version
) AS everything
"""
ALONE = (
    "SELECT pg_terminate_backend(pid, 60000) FROM pg_stat_activity"
    " WHERE datname = current_database() AND pid <> pg_backend_pid()"
)
TABLES = "SELECT tablename FROM pg_tables WHERE schemaname = 'public' AND tablename <> 'alembic_version'"
NUMBERS = "SELECT setval(sequencename::regclass, 1, false) FROM pg_sequences WHERE schemaname = 'public'"


class EmptySpool:
    """A spool on PostgreSQL for one test after the other: emptied before each, made anew where one has spoiled it."""

    def __init__(self, server: PostgreSQL, *, like: str) -> None:
        """`like`: the database that it is a copy of."""
        self._server, self._like = server, like
        self._url = self._empty = ""
        self._made_as: object = None

    def url(self) -> str:
        """Where it is, empty, with nobody at work there."""
        if not self._url or not self._is_emptied():
            self._url = self._server.url(self._server.database(like=self._like))
            one = psycopg_of(self._url)
            self._empty = "".join(f"DELETE FROM {name};" for (name,) in one.execute(TABLES)) + NUMBERS
            self._made_as = one.execute(MADE_AS).fetchone()
        return self._url

    def _is_emptied(self) -> bool:
        """Take all rows away, and tell whether it is then as it was made."""
        one = psycopg_of(self._url)
        one.execute(ALONE)
        with suppress(psycopg.errors.UndefinedTable):
            if one.execute(MADE_AS).fetchone() == self._made_as:
                one.execute(self._empty.encode())
                return True
        return False
