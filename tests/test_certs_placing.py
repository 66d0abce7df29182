"""A pair is exchanged in one step, whatever is there and wherever it ends."""

from __future__ import annotations

from pathlib import Path

import pytest

from gateway.certs import placing
from gateway.certs.issuing import KeyPair
from gateway.certs.placing import Places
from gateway.errors import CommandError
from tests import config_samples


def pair(number: int) -> KeyPair:
    return KeyPair(f"certificate {number}".encode(), f"key {number}".encode())


def shown(places: Places) -> tuple[str, str]:
    return places.certificate.read_text(), places.private_key.read_text()


def folders(places: Places) -> int:
    return len([*places.folder.glob("pair.*")])


@pytest.fixture
def places(tmp_path: Path) -> Places:
    return Places(tmp_path / "tls" / "fullchain.pem", tmp_path / "tls" / "privkey.pem")


def test_the_newest_pair_is_shown_and_the_one_before_stays_beside_it(places: Places) -> None:
    for number in range(4):
        placing.put(pair(number), places)
        assert shown(places) == (f"certificate {number}", f"key {number}")
        assert places.are_linked
        assert folders(places) == min(number + 1, 2)
    assert places.private_key.stat().st_mode & 0o777 == 0o600


def test_two_files_that_somebody_has_put_there_become_the_pair_before(places: Places) -> None:
    places.folder.mkdir()
    places.certificate.write_text("certificate bought")
    places.private_key.write_text("key bought")
    placing.put(pair(1), places)
    assert shown(places) == ("certificate 1", "key 1")
    assert {path.read_text() for path in places.folder.glob("pair.*/*")} >= {"certificate bought", "key bought"}


@pytest.mark.parametrize("before", [0, 1], ids=["nothing", "a pair"])
def test_a_pair_that_is_refused_leaves_all_as_it_was(places: Places, before: int) -> None:
    for number in range(before):
        placing.put(pair(number), places)

    def refuse(there: Places) -> None:
        assert shown(there) == ("certificate 9", "key 9")
        raise CommandError("it is of another name")

    with pytest.raises(CommandError, match="another name"):
        placing.put(pair(9), places, judge=refuse)
    assert folders(places) == before
    assert places.are_empty is not bool(before)


def test_an_empty_machine_has_one_for_the_meantime_where_an_authority_is_wanted_and_nowhere_else(
    tmp_path: Path,
) -> None:
    server = {"certificate": str(tmp_path / "tls" / "full.pem"), "private_key": str(tmp_path / "tls" / "key.pem")}
    assert not placing.stand_in(config_samples.settings(server=server))
    wanted = config_samples.settings(server=server, acme={"directory": "letsencrypt"})
    assert [placing.stand_in(wanted) for _ in range(2)] == [True, False]
    assert placing.places(wanted).are_linked
