"""Doctor: every check has its say, none holds up the others, and the worst comes first."""

from __future__ import annotations

import re
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path

import pytest

from gateway.config import validation
from gateway.diagnosis import complaint, doctor, experience, provision
from gateway.diagnosis.complaint import Complaint, Context, Level, Probe, complain
from gateway.diagnosis.doctor import Looked
from gateway.errors import CommandError
from gateway.store.engines import Database
from tests.config_samples import ABSENT, account, document
from tests.service_samples import NOW


def context(**tables: object) -> Context:
    return Context(validation.validate(document(**tables), {}), NOW)


def saying(*said: Complaint, name: str = "one", needs: tuple[str, ...] = ()) -> Probe:
    return Probe(name, f"what {name} looks at", needs, lambda _context: iter(said))


def failing(error: Exception, name: str) -> Probe:
    def find(_context: Context) -> Iterator[Complaint]:
        raise error

    return Probe(name, "what fails", (), find)


def ids(looked: list[Looked]) -> list[str]:
    return [each.id for each in doctor.complaints(looked)]


BAD = Complaint("a.bad", Level.FAULT, "It is bad.", "Mend it.")
ODD = Complaint("an.odd", Level.WARNING, "It is odd.", "Look.")


def test_the_worst_comes_first_and_what_two_have_found_is_said_once() -> None:
    looked = doctor.examine(context(), [saying(ODD), saying(BAD, ODD, name="two"), saying(name="three")])
    assert ids(looked) == ["a.bad", "an.odd"]
    assert [each.level for each in looked] == [Level.WARNING, Level.FAULT, Level.FINE]
    assert [doctor.STATUSES[level] for level in Level] == [0, 0, 1, 2]


def test_to_whom_the_gateways_files_are_closed_is_told_nothing_else() -> None:
    stranger = complain("doctor.other_account", caller="ana", owner="motion-gateway")
    assert doctor.complaints(doctor.examine(context(), [saying(BAD, ODD), saying(stranger, name="two")])) == [stranger]


def test_a_check_that_takes_too_long_is_left_behind_and_told() -> None:
    for_ever = threading.Event()
    stuck = Probe("stuck", "what never ends", (), lambda _context: iter([BAD] if for_ever.wait() else []), 0.01)
    told: list[str] = []
    try:
        looked = doctor.examine(context(), [stuck, saying(ODD)], tell=lambda each: told.append(each.check.id))
    finally:
        for_ever.set()
    assert ids(looked) == ["doctor.unfinished", "an.odd"]
    assert "what never ends" in doctor.complaints(looked)[0].sentence
    assert sorted(told) == ["one", "stuck"]


def test_a_spools_server_that_is_away_is_asked_once_and_told_once(tmp_path: Path) -> None:
    asked = [check for check in doctor.CHECKS if check.find.__module__ == experience.__name__]
    calls = list[socket.socket]()

    def hang_up() -> None:
        with suppress(OSError):
            while True:
                calls.append(server.accept()[0])
                calls[-1].close()

    with socket.create_server(("127.0.0.1", 0)) as server:
        threading.Thread(target=hang_up, daemon=True).start()
        url = f"postgresql://motion@127.0.0.1:{server.getsockname()[1]}/spool?sslmode=disable"
        looked = doctor.examine(context(server={"state_dir": str(tmp_path)}, spool={"url": url}), asked)
    assert ids(looked) == ["spool.unavailable"]
    assert (len(asked) > 5, len(calls)) == (True, 1)


def test_what_mends_a_spools_server_that_is_away_is_told_with_it() -> None:
    with closing(socket.create_server(("127.0.0.1", 0))) as nobody:
        url = f"postgresql://motion@127.0.0.1:{nobody.getsockname()[1]}/spool?sslmode=disable"
    [check] = [check for check in doctor.CHECKS if check.id == "spool.refuses"]
    [found] = doctor.complaints(doctor.examine(context(spool={"url": url}), [check]))
    assert (found.id, found.remedy.partition(", ")[0]) == ("spool.away", "Start PostgreSQL")


@pytest.mark.parametrize("error", [CommandError("no"), PermissionError(13, "no"), ZeroDivisionError("a secret")])
def test_a_check_that_fails_hides_no_other_and_no_text_of_a_stranger_is_told(error: Exception) -> None:
    looked = doctor.examine(context(), [failing(error, "broken"), saying(BAD)])
    assert ids(looked) == ["a.bad", "doctor.failed"]
    assert "secret" not in doctor.complaints(looked)[1].sentence


def test_a_check_is_passed_over_whose_settings_are_not_understood() -> None:
    broken = context(server={"public_url": "ftp://x"}, account=[account(name=ABSENT)])
    checks = [saying(ODD, needs=("server.public_url",)), saying(BAD, name="two", needs=("motion.url",))]
    assert ids(doctor.examine(broken, checks)) == ["a.bad"]
    told = list(doctor.settings(broken))
    assert {each.about for each in told} == {"server.public_url", "account[0].name"}
    assert {each.id for each in told} == {"settings.wrong"}


def test_every_check_has_a_name_of_its_own_and_every_complaint_its_row() -> None:
    names = [check.id for check in doctor.CHECKS]
    assert len(set(names)) == len(names)
    sources = "".join(path.read_text("utf-8") for path in Path(complaint.__file__).parent.parent.rglob("*.py"))
    rows = complaint.rows()
    said = set(re.findall(r'"([a-z]+\.[a-z0-9_]+)"', sources)) & {f"{row}" for row in rows}
    assert said == set(rows), "a row that nobody says"


def test_words_are_filled_with_facts_that_are_fit_to_print() -> None:
    said = complain("state.room_short", about="server.min_free", sentence="too\x1b[31m little.")
    assert said.sentence == "Too\N{REPLACEMENT CHARACTER}[31m little."
    assert said.level is Level.WARNING
    question = complain(
        "settings.wrong", key="server.opsport", complaint="is not known", remedy="did you mean ops_port?"
    )
    assert question.remedy == "Did you mean ops_port?"


def test_every_complaint_was_seen_in_a_test() -> None:
    tests = "".join(path.read_text("utf-8") for path in Path(__file__).parent.rglob("*.py"))
    # `config check` has its own plants, and a log grows large in the tests of the store.
    elsewhere = {name for look in provision.LOOKS for name in (look.id, look.warns)} | {"spool.log_large"}
    seen = {name for name in complaint.rows() if f'"{name}"' in tests or f'"{name.partition(".")[2]}"' in tests}
    assert complaint.rows().keys() - elsewhere - seen == set()
    assert elsewhere - {"", "certificates"} <= complaint.rows().keys()


LOADED = """
import sys
from gateway.config import validation
from gateway.diagnosis import doctor
from gateway.diagnosis.complaint import Context
from tests.config_samples import account, document
keyed = account(key_id="key-1", key_secret="a secret of some length")
here = "http://127.0.0.1:1"
tables = document(
    server={"state_dir": sys.argv[1], "public_url": "https://gateway.test"},
    account=[keyed],
    motion={"url": here},
    sinch={name: here for name in ("eu", "us", "auth")},
    ops={"username": "x", "password": "y"},
    spool={"url": sys.argv[2]},
)
context = Context(validation.validate(tables, {}), 0.0)
before = {*sys.modules}
doctor.examine(context)
print(sorted({name.partition(".")[0] for name in {*sys.modules} - before} - sys.stdlib_module_names))
"""


@pytest.mark.thorough
@pytest.mark.parametrize("engine", ["sqlite", "postgresql"])
def test_no_check_imports_what_another_may_be_importing(
    request: pytest.FixtureRequest, spool: Database, engine: str
) -> None:
    url = "sqlite" if engine == "sqlite" else request.getfixturevalue("database_url")
    told = [sys.executable, "-c", LOADED, str(spool.path.parent), url]
    done = subprocess.run(told, capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n", done.stderr
