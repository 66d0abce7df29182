"""PostgreSQL on two machines: a primary, and a standby that has each commit before it is one.

Rule 1. Whoever is primary waits for the standby at each commit; one that has just been promoted waits for nobody, until
        it has a standby of its own again.
Rule 2. A primary that died never comes back as it was: it begins anew, as the other's standby.
"""

from __future__ import annotations

import secrets
import shutil
import signal
import subprocess
from contextlib import suppress
from pathlib import Path
from typing import Any

import psycopg

from sandbox.certificates import write_secret
from sandbox.child import ChildError
from sandbox.cluster import programs
from sandbox.cluster.programs import Program

ACCOUNT = "postgres"  # of Debian's package
USER, DATABASE = "motion", "motion"
_PROGRAMS = Path("/usr/lib/postgresql")
_COMMAND_SECONDS = 60
# As a test machine has it; what is told about safety is left as it comes: fsync, full_page_writes.
_SETTINGS = """\
cluster_name = '{name}'
port = {port}
listen_addresses = '127.0.0.1'
unix_socket_directories = '{folder}'
max_connections = 100
shared_buffers = 32MB
wal_keep_size = 64MB
log_line_prefix = '%m '
synchronous_standby_names = '{standby}'
"""
_OF_A_STANDBY = "primary_conninfo = 'host=127.0.0.1 port={port} user={user} passfile={passfile}'\n"


class Server(Program):
    """One server, on a port of loopback; `password` is that of `USER`."""

    def __init__(self, name: str, folder: Path, port: int, password: str) -> None:
        self.folder, self.port, self._password = programs.own(folder, ACCOUNT), port, password
        self.data = folder / "data"
        command = [program("postgres"), "-D", str(self.data)]
        log, fast = folder.parent / f"{name}.log", signal.SIGINT  # which ends what others have open
        super().__init__(name, command, log, ready=self._answers, account=ACCOUNT, stop_signal=fast)
        self.passfile, self._secret = self._written("passfile", f"*:*:*:{USER}:{password}\n"), ""
        self._secret = str(self._written("password", password))

    def create(self) -> None:
        """An empty one."""
        proof = ("--auth=scram-sha-256", f"--pwfile={self._secret}")
        self.run("initdb", "-D", str(self.data), "-U", USER, "-E", "UTF8", *proof)
        with (self.data / "postgresql.conf").open("a") as file:
            file.write("include_if_exists = 'cluster.conf'\n")
        self.tell_settings()
        self.start()
        self.ask(f"CREATE DATABASE {DATABASE}", database="postgres")

    def follow(self, primary: Server) -> None:
        """Begin anew as a copy of that one, and go on as its standby."""
        if self.data.exists():
            shutil.rmtree(self.data)
        where = f"host=127.0.0.1 port={primary.port} user={USER} passfile={self.passfile}"
        self.run("pg_basebackup", "-D", str(self.data), "-d", where, "--checkpoint=fast", "--wal-method=stream")
        (self.data / "standby.signal").touch()
        shutil.chown(self.data / "standby.signal", self.data.owner(), self.data.group())
        self.tell_settings(following=primary)
        self.start()

    def tell_settings(self, *, standby: str = "", following: Server | None = None) -> None:
        """Write down who it is, whom it waits for, and whom it follows."""
        text = _SETTINGS.format(name=self.name, port=self.port, folder=self.folder, standby=standby)
        if following:
            text += _OF_A_STANDBY.format(port=following.port, user=USER, passfile=self.passfile)
        (self.data / "cluster.conf").write_text(text, "utf-8")

    def wait_for_standby(self, name: str) -> None:
        """Tell it to wait for that one at each commit; come back once it does."""
        self.tell_settings(standby=name)
        self.run("pg_ctl", "reload", "-D", str(self.data))
        with self.connected() as connection:
            waits = "SELECT 1 FROM pg_stat_replication WHERE application_name = %s AND sync_state = 'sync'"
            programs.wait_for(lambda: connection.execute(waits, (name,)).fetchone(), f"{name} does not follow")

    def promote(self) -> None:
        """Come back once it takes writes."""
        self.run("pg_ctl", "promote", "-D", str(self.data), "-w")

    def ask(self, statement: str, *, database: str = DATABASE) -> list[tuple[Any, ...]]:
        """Run one statement, as an operator would with psql."""
        with self.connected(database) as connection:
            done = connection.execute(statement.encode())
            return done.fetchall() if done.description else []

    def connected(self, database: str = DATABASE) -> psycopg.Connection:
        where = {"host": "127.0.0.1", "port": self.port, "user": USER, "password": self._password}
        return psycopg.connect(dbname=database, autocommit=True, connect_timeout=5, **where)  # type: ignore[arg-type]

    def run(self, name: str, *arguments: str) -> None:
        """Run one of the package's programs as the server's account. Raises ChildError."""
        command = [*programs.as_account(ACCOUNT), program(name), *arguments]
        done = subprocess.run(command, cwd="/", capture_output=True, text=True, timeout=_COMMAND_SECONDS, check=False)
        if done.returncode:
            raise ChildError(f"{name} failed for {self.name}\n{done.stderr}")

    def _answers(self) -> bool:
        with suppress(psycopg.OperationalError):
            self.connected("postgres").close()
            return True
        return False

    def _written(self, name: str, content: str) -> Path:
        path = self.folder / name
        write_secret(path, content.encode())
        shutil.chown(path, self.folder.owner(), self.folder.group())
        return path


class Pair:
    """A primary and its standby, which change places."""

    def __init__(self, folder: Path, ports: tuple[int, int]) -> None:
        self.password = secrets.token_urlsafe(24)
        named = {f"db{number}": port for number, port in enumerate(ports, 1)}
        self.servers = tuple(Server(name, folder / name, port, self.password) for name, port in named.items())
        self.primary, self.standby = self.servers

    @property
    def url(self) -> str:
        """Where the spool is, whichever of them is the primary."""
        hosts = ",".join(f"127.0.0.1:{server.port}" for server in self.servers)
        return f"postgresql://{USER}@{hosts}/{DATABASE}"

    @property
    def deadlocks(self) -> int:
        """How many both have seen."""
        return sum(server.log.count("deadlock detected") for server in self.servers)

    def start(self) -> None:
        self.primary.create()
        self._join()

    def fail_over(self) -> None:
        """The primary's machine dies, and the standby takes its place, alone."""
        self.primary.kill()
        self.standby.promote()
        self.primary, self.standby = self.standby, self.primary

    def mend(self) -> None:
        """What had died comes back as the standby of the other, from the beginning."""
        self._join()

    def stop(self) -> None:
        for server in (self.primary, self.standby):  # a primary that stops waits for nobody
            server.stop()

    def _join(self) -> None:
        self.standby.follow(self.primary)
        self.primary.wait_for_standby(self.standby.name)


def program(name: str) -> str:
    """Where one of the newest PostgreSQL's programs is: Debian has them on nobody's way. Raises ChildError."""
    folders = sorted(_PROGRAMS.glob("*/bin"), key=lambda folder: int(folder.parent.name), reverse=True)
    return programs.found(name, *map(str, folders))
