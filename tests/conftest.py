"""What tests of several modules share: a settings file, a migrated spool, a simulated Motion and Sinch."""

from __future__ import annotations

import gc
import json
import os
from collections import defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings

from gateway import paths
from gateway.store.engines import Database
from gateway.store.migrations import server
from sandbox.archive import Archive, Credentials
from sandbox.conversation.api import ConversationApi
from sandbox.conversation.plants import Field
from sandbox.motion import Motion
from tests import spool_samples
from tests.config_samples import document
from tests.examples import some
from tests.postgresql import EmptySpool, PostgreSQL
from tests.s3_samples import S3
from tests.sinch_samples import RECEIVE_PATH, SECRET, TARGET

# Some programs that tests run are root's: nginx, logrotate, systemd's. An ordinary user's PATH does not lead there.
os.environ["PATH"] = f"{os.environ.get('PATH', os.defpath)}:/usr/sbin:/sbin"

ENGINES = ("sqlite", "postgresql")

# How long an example takes says something of the machine, and nothing of what is tried.
settings.register_profile("all", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("commit", settings.get_profile("all"), max_examples=10)  # `make check`: tests/examples.py
settings.load_profile("all")


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Iterator[None]:
    """Collects tests without looking for garbage: thirteen thousand of them are none, and stay until the end.

    What they leave is looked for less often than Python would: it is little.
    """
    gc.disable()
    yield
    gc.freeze()
    gc.set_threshold(20_000, 20, 20)
    gc.enable()


@pytest.fixture
def settings_file(tmp_path: Path) -> Callable[..., Path]:
    """Writes `document(**tables)` as a file, with everything the gateway writes below `tmp_path`."""

    def write(**tables: Any) -> Path:
        ours = {
            "state_dir": str(tmp_path / "state"),
            "certificate": str(tmp_path / "tls" / "fullchain.pem"),
            "private_key": str(tmp_path / "tls" / "privkey.pem"),
        }
        tables["server"] = ours | tables.get("server", {})
        path = tmp_path / "gateway.toml"
        path.write_text(_toml(document(**tables)))
        return path

    return write


@pytest.fixture
def file(settings_file: Callable[..., Path]) -> Path:
    """The smallest settings that are right."""
    return settings_file()


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """What is marked so is tried with a spool on each engine."""
    node = metafunc.definition
    if "spool" in metafunc.fixturenames and node.get_closest_marker("both_engines"):
        metafunc.parametrize("spool", ["sqlite"] if node.get_closest_marker("of_the_file") else ENGINES, indirect=True)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Before each commit, of a test's many cases one is tried on PostgreSQL as well, and what is thorough is not.

    All of them in CI.
    """
    there = defaultdict(list)
    for item in items:
        cases = getattr(item, "callspec", None)
        if isinstance(item, pytest.Function) and cases and "postgresql" in cases.params.values():
            there[item.module, item.originalname].append(item)
    left = {item for alike in there.values() for item in {*alike} - {*some(alike, 1)}}
    thorough = [item for item in items if item.get_closest_marker("thorough")]
    left |= {*thorough} - {*some(thorough, 0)}
    if left:
        config.hook.pytest_deselected(items=[*left])
        items[:] = [item for item in items if item not in left]


@pytest.fixture
def spool(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Database]:
    """A spool of this release, with nothing in it. It waits half a second for others. On SQLite, or as is asked for."""
    if getattr(request, "param", "sqlite") == "postgresql":
        url = request.getfixturevalue("database_url")
        spool_samples.FOLDERS[url] = tmp_path
        opened = Database(url, patience_seconds=5)
    else:
        spool_samples.migrate(tmp_path / paths.SPOOL)
        opened = Database(tmp_path / paths.SPOOL, patience_seconds=0.5)
    yield opened
    opened.close()


@pytest.fixture(scope="session")
def empty_spool(postgresql: PostgreSQL, empty_database: str) -> EmptySpool:
    """A spool on PostgreSQL, for one test after the other."""
    return EmptySpool(postgresql, like=empty_database)


@pytest.fixture(scope="session")
def postgresql() -> Iterator[PostgreSQL]:
    """A real server for all tests that this process runs, each in a database of its own."""
    started = PostgreSQL()
    yield started
    started.remove()


@pytest.fixture(scope="session")
def empty_database(postgresql: PostgreSQL) -> str:
    """The name of a database with an empty spool of this release: others are made like it."""
    name = postgresql.database()
    server.migrate(postgresql.url(name), "")
    return name


@pytest.fixture
def database_url(empty_spool: EmptySpool) -> str:
    """Where an empty spool of this release is on PostgreSQL, with nobody at work there."""
    return empty_spool.url()


@pytest.fixture
def new_database_url(postgresql: PostgreSQL, empty_database: str) -> str:
    """As `database_url`, in a database that no other test has: it may be set up otherwise."""
    return postgresql.url(postgresql.database(like=empty_database))


@pytest.fixture(scope="session")
def s3_server() -> Iterator[S3]:
    """A real S3 server for all tests that this process runs."""
    server = S3()
    server.start()
    yield server
    server.remove()


@pytest.fixture
def s3(s3_server: S3) -> S3:
    """That server, with nothing in its bucket."""
    s3_server.clear()
    return s3_server


@pytest.fixture
def archive(tmp_path: Path) -> Archive:
    """The attachments of the simulated Motion."""
    return Archive(tmp_path, credentials=Credentials(api_key="k"))


@pytest.fixture
def motion(archive: Archive) -> Iterator[Motion]:
    """A simulated Motion that runs."""
    with Motion(archive=archive) as running:
        yield running


@pytest.fixture
def api() -> Iterator[ConversationApi]:
    """A simulated Conversation API that runs."""
    with ConversationApi() as running:
        yield running


@pytest.fixture
def field(api: ConversationApi) -> Field:
    """What can spoil it, once its app and its webhook are right for the gateway of `config_samples`."""
    made = Field(api)
    made.settle(target=TARGET, secret=SECRET, motion=f"https://motion.internal{RECEIVE_PATH}")
    return made


def _toml(tables: dict[str, Any]) -> str:
    # JSON's texts, numbers, switches and lists are TOML's as well.
    lines = []
    for name, content in tables.items():
        for table in content if isinstance(content, list) else [content]:
            lines.append(f"[[{name}]]" if isinstance(content, list) else f"[{name}]")
            lines += [f"{key} = {json.dumps(value)}" for key, value in table.items()]
    return "\n".join(lines) + "\n"


@pytest.fixture(scope="session")
def vendors() -> Any:
    """What makes the vendor's own validator of a secret. It takes a second to load: who needs it does."""
    from sinch.domains.conversation.sinch_events.v1 import ConversationSinchEvent

    return ConversationSinchEvent
