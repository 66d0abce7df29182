"""`token mint` and `token open`, as they are typed."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from PIL import Image

from gateway import paths
from gateway.attachments import tokens
from gateway.attachments.register import Register
from gateway.attachments.tokens import Grant, Purpose
from gateway.cli import group
from gateway.clock import WallClock
from gateway.config import load as read
from gateway.errors import CommandError
from gateway.inspection.rulebook import VerdictKind
from gateway.inspection.structure import Inspection
from gateway.store.engines import Database
from tests import spool_samples
from tests.clamd_samples import played

Settings = Callable[..., Path]
KEY = "a sentence of sixteen"


@pytest.fixture
def config(settings_file: Settings) -> Path:
    path = settings_file(attachments={"token_keys": [KEY], "token_ttl": "2d"})
    settings = read(path, {})
    paths.prepare(settings)
    spool_samples.migrate(paths.spool(settings))
    return path


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    path = tmp_path / "my photo.jpeg"
    Image.new("RGB", (40, 30), "red").save(path)
    return path


def run(config: Path, *arguments: str | Path, typed: str = "") -> Result:
    given = ["--config", str(config), "token", *map(str, arguments)]
    return CliRunner().invoke(group, given, input=typed)


def refusal(config: Path, *arguments: str | Path, typed: str = "") -> str:
    found = run(config, *arguments, typed=typed)
    assert isinstance(found.exception, CommandError)
    return str(found.exception)


def minted(config: Path, photo: Path, *arguments: str | Path) -> tuple[str, Grant]:
    found = run(config, "mint", "--attachment", "4711", *arguments, photo)
    assert found.exit_code == 0, found.output
    link = re.fullmatch(r"https://gateway\.example\.com/media/([^/]+)/([^/]+)\n", found.stdout)
    assert link
    return link[0].strip(), tokens.open(link[1], keys=[KEY], now=WallClock().now())


def test_a_link_is_minted_for_the_bytes_of_a_file(config: Path, photo: Path) -> None:
    before = int(WallClock().now())
    link, grant = minted(config, photo)
    assert link.endswith("/my%20photo.jpg")
    assert (grant.attachment_id, grant.mime, grant.name) == ("4711", "image/jpeg", "my photo.jpg")
    assert grant.digest == hashlib.sha256(photo.read_bytes()).digest()
    assert (grant.kind, grant.purpose) == (VerdictKind.NATIVE, Purpose.OPERATOR)
    assert before <= grant.issued_at <= WallClock().now()
    assert grant.expires_at - grant.issued_at == 2 * 86400


def test_its_name_and_its_time_can_be_chosen(config: Path, photo: Path) -> None:
    link, grant = minted(config, photo, "--name", "Übersicht.exe", "--ttl", "90s")
    assert link.endswith("/%C3%9Cbersicht.jpg")
    assert grant.expires_at - grant.issued_at == 90


STORE = {"store": "s3://files", "store_key_id": "AKIA", "store_key_secret": "the secret of that key"}


@pytest.mark.parametrize("store", [{}, STORE | {"store_url": "http://127.0.0.1:1"}], ids=["no store", "it is away"])
def test_who_mints_is_told_where_the_store_has_not_taken_the_file(
    settings_file: Settings, config: Path, photo: Path, store: dict[str, str]
) -> None:
    settings_file(attachments={"token_keys": [KEY]} | store)
    said = run(config, "mint", "--attachment", "4711", photo)
    assert (said.exit_code, "The store has not taken FILE" in said.stderr) == (0, bool(store))


def test_to_mint_leaves_an_audit_line_without_the_token(config: Path, photo: Path) -> None:
    found = run(config, "mint", "--attachment", "4711", photo)
    line = json.loads(found.stderr)
    assert (line["event"], line["process"], line["command"]) == ("audit", "token", "mint")
    assert (line["attachment_id"], set(line)) == (
        "4711",
        {"event", "process", "command", "attachment_id", "until", "who", "account", "at"},
    )


@pytest.fixture
def spool(config: Path) -> Iterator[Database]:
    with closing(Database(paths.spool(read(config, {})), patience_seconds=5)) as opened:
        yield opened


def test_what_a_link_was_minted_to_stays_as_it_is_until_its_end(config: Path, photo: Path, spool: Database) -> None:
    _, grant = minted(config, photo)
    _, longer = minted(config, photo, "--ttl", "3d")
    minted(config, photo)
    known = Register(spool).find("4711")
    assert known is not None
    assert grant.expires_at < known.live_until == longer.expires_at


def test_no_link_is_minted_to_other_bytes_than_those_that_live(config: Path, photo: Path, spool: Database) -> None:
    seen, now = Inspection(mime="text/plain", size_bytes=1), WallClock().now()
    Register(spool).acquired("4711", digest=b"d" * 32, name="", seen=seen, now=now)
    assert "links live to other bytes" in refusal(config, "mint", "--attachment", "4711", photo)
    Register(spool).revoked("4711", spool_samples.DEED, before=int(now))
    minted(config, photo)


def test_no_link_is_minted_that_a_revocation_has_ended_already(config: Path, photo: Path, spool: Database) -> None:
    Register(spool).revoked("4711", spool_samples.DEED, before=int(WallClock().now()) + 3600)
    assert "revoked this very second" in refusal(config, "mint", "--attachment", "4711", photo)


def test_what_the_profile_refuses_gets_no_link(config: Path, tmp_path: Path) -> None:
    Image.new("P", (40, 30)).save(tmp_path / "moving.gif")
    said = refusal(config, "mint", "--attachment", "4711", tmp_path / "moving.gif")
    assert said.startswith("CHANNEL_FAILURE: Meta does not support GIF. Save a picture")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--attachment", ""), "named by 1 to 12 digits"),
        (("--attachment", "../1"), "named by 1 to 12 digits"),
        (("--attachment", "a-b"), "named by 1 to 12 digits"),
        (("--attachment", "07"), "named by 1 to 12 digits"),
        (("--attachment", "1" * 13), "named by 1 to 12 digits"),
        (("--attachment", "1", "--ttl", "soon"), "--ttl takes a whole number"),
        (("--attachment", "1", "--ttl", "0s"), "--ttl takes a whole number"),
    ],
    ids=["no id", "a path", "no number", "another spelling", "a long id", "no time", "no time at all"],
)
def test_what_cannot_be_minted(config: Path, photo: Path, arguments: tuple[str, ...], said: str) -> None:
    assert said in refusal(config, "mint", *arguments, photo)


def test_what_goes_out_as_a_link_is_said_in_the_token(config: Path, tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("a,b\n1,2\n3,4\n")
    _, grant = minted(config, tmp_path / "a.csv")
    assert (grant.kind, grant.mime) == (VerdictKind.LINK, "text/csv")


def test_without_a_key_there_are_no_tokens(settings_file: Settings, photo: Path) -> None:
    config = settings_file()
    assert "attachments.token_keys" in refusal(config, "mint", "--attachment", "1", photo)
    assert "attachments.token_keys" in refusal(config, "open", typed="gAAAA\n")


@pytest.mark.parametrize("way", ["typed", "as an argument"])
@pytest.mark.parametrize("form", ["the link", "its path", "the token"])
def test_a_token_is_opened(config: Path, photo: Path, way: str, form: str) -> None:
    link, grant = minted(config, photo)
    given = {
        "the link": link,
        "its path": link.removeprefix("https://gateway.example.com"),
        "the token": link.split("/")[4],
    }
    found = (
        run(config, "open", given[form]) if way == "as an argument" else run(config, "open", typed=f" {given[form]}\n")
    )
    facts = dict(re.split(r" {2,}", line, maxsplit=1) for line in found.stdout.splitlines())
    assert found.exit_code == 0
    assert facts["attachment"] == "4711"
    assert facts["name"] == "my photo.jpg"
    assert facts["type"] == "image/jpeg"
    assert facts["verdict"] == "native"
    assert facts["SHA-256"] == grant.digest.hex()
    assert facts["purpose"] == "operator"
    assert facts["minted"] < facts["lives until"]


@pytest.mark.parametrize("typed", ["", "\n", "token\n", "https://gateway.example.com/media//x\n", "gAAAA" + "A" * 300])
def test_what_is_no_token_opens_nothing(config: Path, typed: str) -> None:
    assert refusal(config, "open", typed=typed).startswith("this opens nothing")


def test_a_key_that_was_removed_opens_nothing(config: Path, settings_file: Settings, photo: Path) -> None:
    link, _ = minted(config, photo)
    other = settings_file(attachments={"token_keys": ["another sentence of ours"]})
    assert refusal(other, "open", link).startswith("this opens nothing")


@pytest.mark.parametrize(
    ("said", "told"),
    [
        (b"stream: Test.Own FOUND\0", "ATTACHMENT_REJECTED: The virus scanner has found something in it."),
        (b"", "virus scanner cannot be reached; nothing was minted"),
    ],
)
def test_no_link_is_minted_to_what_the_virus_scanner_finds_or_could_not_see(
    settings_file: Settings, photo: Path, said: bytes, told: str
) -> None:
    with closing(played(said)) as clamd:
        keys, scan = {"token_keys": [KEY]}, {"scan": f"tcp:127.0.0.1:{clamd.port}"}
        config = settings_file(attachments=keys, inbound=scan)
        assert refusal(config, "mint", "--attachment", "4711", photo).startswith(told)
