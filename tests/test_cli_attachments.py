"""`attachments list`, `attachments evict` and `token revoke`, as they are typed."""

from __future__ import annotations

import datetime
import json
import re
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from gateway import config, paths, services
from gateway.attachments.decision import LinkClaim
from gateway.attachments.fetch import Shelf
from gateway.cli import group
from gateway.cli.attachments import opened_shelf
from gateway.clock import WallClock
from gateway.errors import CommandError, NotFound, SpoolUnavailable
from gateway.outbound import record
from gateway.outbound.record import Attached
from gateway.phrases import Reason
from tests import spool_samples
from tests.command_samples import refusal
from tests.peer_samples import Peer, Wire, answers
from tests.s3_samples import S3
from tests.screen import seen

GIF = b"GIF89a\x01\x00\x01\x00\x00\x00\x00,\x00\x00\x00\x00\x01\x00\x01\x00\x00\x02\x02D\x01\x00;"
TEXT = "Content-Disposition: attachment; filename*=UTF-8''%5B1m%0Aoffer.txt"


def _motion(wire: Wire) -> None:
    if b"/1/" in wire.request:
        answers(b"Here is your offer.\n", TEXT)(wire)
    elif b"/2/" in wire.request:
        answers(GIF)(wire)
    else:
        answers(b"", status="404 Not Found")(wire)


@pytest.fixture
def file(settings_file: Callable[..., Path]) -> Iterator[Path]:
    with closing(Peer(_motion, host="127.0.0.1", tls=None)) as motion:
        path = settings_file(motion={"url": f"http://127.0.0.1:{motion.port}"}, server={"min_free": "0kB"})
        settings = config.load(path, {})
        paths.prepare(settings)
        spool_samples.migrate(paths.spool(settings))
        yield path


@pytest.fixture
def shelf(file: Path) -> Iterator[Shelf]:
    """Attachment 1 was fetched once by Motion's link, 2 is here, 3 is gone."""
    shared = services.build(config.load(file, {}), needs={"shelf"})
    shared.shelf.fetched(shared.shelf.take(LinkClaim(attachment_id="1")))
    shared.shelf.take(LinkClaim(attachment_id="2"))
    with pytest.raises(NotFound):
        shared.shelf.take(LinkClaim(attachment_id="3"))
    yield shared.shelf
    shared.shelf.close()
    shared.spool.close()


@pytest.fixture
def run(file: Path) -> Callable[..., Result]:
    def typed(*arguments: str) -> Result:
        return CliRunner().invoke(group, ["--config", str(file), *arguments])

    return typed


Run = Callable[..., Result]


def audits(result: Result, process: str) -> list[dict[str, Any]]:
    lines = [json.loads(line) for line in result.stderr.splitlines()]
    assert all(line.pop("at") and line.pop("process") == process for line in lines)
    told = [line for line in lines if line["event"] == "audit"]
    assert all(line.pop("who") and line.pop("account") for line in told)
    return told


def stored(shelf: Shelf) -> dict[str, bool]:
    return {record.attachment_id: record.stored for record in shelf.listed(most=10)}


def test_list_shows_what_each_is_and_who_can_have_it(run: Run, shelf: Shelf) -> None:
    shelf.evict(["2"], spool_samples.DEED)
    shelf.revoke("2", spool_samples.DEED)
    result = run("attachments", "list")
    assert result.exit_code == 0
    head, *lines = result.stdout.splitlines()
    rows = {cells[0]: cells[1:] for line in lines if (cells := re.split(r" {2,}", line.strip()))}
    assert head.split() == [
        "attachment",
        "type",
        "size",
        "verdict",
        "file",
        "fetches",
        "links",
        "until",
        "trouble",
        "who",
        "acts",
    ]
    assert rows["1"][:5] == ["text/plain", "20", "link", "in the vault", "1"]
    assert rows["2"][:5] == ["image/gif", str(len(GIF)), "refused CHANNEL_FAILURE", "evicted", "0"]
    assert rows["2"][5].startswith("links revoked, 20")
    assert rows["3"][:2] == ["none", "0"]
    assert rows["3"][2].startswith(f"{Reason.GONE}, 20")


def test_show_tells_why_a_file_is_refused_or_not_there_who_acts_and_what_to_do(run: Run, shelf: Shelf) -> None:
    refused, gone = (run("attachments", "show", name).stdout for name in ("2", "3"))
    assert re.search(r"^verdict +refused CHANNEL_FAILURE$", refused, re.MULTILINE)
    assert re.search(r"^meaning +Meta does not support GIF[.]$", refused, re.MULTILINE)
    assert re.search(r"^who acts +the agent$", refused, re.MULTILINE)
    assert re.search(r"^what to do +Save a picture as PNG or JPEG", refused, re.MULTILINE)
    assert re.search(rf"^trouble +{Reason.GONE}, 20", gone, re.MULTILINE)
    assert re.search(r"^what to do +If it concerns one file, the agent sends it again[.]", gone, re.MULTILINE)


def test_show_tells_a_program_the_same_as_a_list(run: Run, shelf: Shelf) -> None:
    listed = {told["attachment_id"]: told for told in json.loads(run("attachments", "list", "--json").stdout)}
    assert json.loads(run("attachments", "show", "2", "--json").stdout) == listed["2"]
    assert [meaning["who"] for meaning in listed["2"]["meanings"]] == ["agent"]
    assert re.search(r"^why +.*link", run("attachments", "show", "1").stdout, re.MULTILINE)


@pytest.mark.parametrize("name", ["4", "../1", ""])
def test_what_nobody_has_asked_for_is_not_shown(run: Run, shelf: Shelf, name: str) -> None:
    assert "nobody has asked for attachment" in str(refusal(run("attachments", "show", name)))


def test_list_for_programs_tells_everything(run: Run, shelf: Shelf) -> None:
    found = {told["attachment_id"]: told for told in json.loads(run("attachments", "list", "--json").stdout)}
    one = found["1"]
    assert one["digest"] == shelf.take(LinkClaim(attachment_id="1")).digest.hex()
    assert (one["size"], one["mime"], one["name"], one["in_vault"], one["fetches"]) == (
        20,
        "text/plain",
        "[1moffer.txt",
        True,
        1,
    )
    assert one["verdict"]["verdict"] == "link"
    assert one["first_fetched_at"] == one["last_fetched_at"]
    begun, ends = (datetime.datetime.fromisoformat(one[key]) for key in ("first_fetched_at", "live_until"))
    assert ends - begun == datetime.timedelta(days=7)
    assert found["2"]["verdict"]["code"] == "CHANNEL_FAILURE"
    three = found["3"]
    assert (three["digest"], three["verdict"], three["in_vault"], three["live_until"]) == (None, None, False, None)
    assert (three["failure"]["reason"], three["failure"]["status"]) == (Reason.GONE, 404)


def test_list_shows_as_many_as_it_is_asked_for_and_none_where_there_are_none(run: Run) -> None:
    assert json.loads(run("attachments", "list", "--json").stdout) == []
    assert len(run("attachments", "list").stdout.splitlines()) == 1


def test_list_shows_the_latest(run: Run, shelf: Shelf) -> None:
    shown = json.loads(run("attachments", "list", "--json", "--most", "1").stdout)
    assert [told["attachment_id"] for told in shown] == ["3"]


@pytest.mark.parametrize(
    ("typed", "left", "told", "named"),
    [
        (["1"], {"1": False, "2": True}, "1 deleted.\n", ["1"]),
        (["1", "2"], {"1": False, "2": False}, "2 deleted.\n", ["1", "2"]),
        (["1", "1"], {"1": False, "2": True}, "1 deleted.\n", ["1", "1"]),
        (["--all"], {"1": False, "2": False}, "2 deleted.\n", "all"),
    ],
)
def test_evict_deletes_and_leaves_an_audit_line(
    run: Run, shelf: Shelf, typed: list[str], left: dict[str, bool], told: str, named: object
) -> None:
    result = run("attachments", "evict", *typed)
    assert (result.exit_code, result.stdout) == (0, told)
    assert stored(shelf) == left | {"3": False}
    assert audits(result, "attachments") == [
        {"event": "audit", "command": "evict", "attachments": named, "files": int(told.split()[0])}
    ]
    [deed] = json.loads(run("audit", "list", "--json").stdout)
    assert deed["about"] == ("every file" if named == "all" else f"attachments {', '.join(typed)}")


def test_evict_all_of_an_empty_vault_is_no_trouble(run: Run) -> None:
    assert run("attachments", "evict", "--all").stdout == "The vault is empty.\n"


@pytest.mark.parametrize("typed", [[], ["1", "--all"], ["1", "3"], ["4"], ["../1"]])
def test_evict_deletes_nothing_where_it_cannot_do_all(run: Run, shelf: Shelf, typed: list[str]) -> None:
    assert isinstance(refusal(run("attachments", "evict", *typed)), CommandError)
    assert stored(shelf) == {"1": True, "2": True, "3": False}


def revoked_before(shelf: Shelf, attachment_id: str) -> int | None:
    known = shelf.known(attachment_id)
    return known.revoked_before if known else None


def test_revoke_ends_all_links_that_there_are_and_leaves_an_audit_line(run: Run, shelf: Shelf) -> None:
    began = WallClock().now()
    result = run("token", "revoke", "1")
    assert (result.exit_code, result.stdout) == (0, "All links to attachment 1 are revoked.\n")
    before = revoked_before(shelf, "1")
    assert before is not None
    assert began < before <= WallClock().now() + 1
    [audit] = audits(result, "token")
    told = datetime.datetime.fromisoformat(audit.pop("before"))
    assert told.timestamp() == before
    assert audit == {"event": "audit", "command": "revoke", "attachment_id": "1"}


def test_what_nobody_asked_for_yet_can_be_revoked(run: Run, shelf: Shelf) -> None:
    assert run("token", "revoke", "999999999999").exit_code == 0
    assert revoked_before(shelf, "999999999999")


@pytest.mark.parametrize("typed", ["x", "1234567890123", "", "1/2"])
def test_revoke_takes_nothing_but_an_id(run: Run, typed: str) -> None:
    assert "nothing was revoked" in str(refusal(run("token", "revoke", typed)))


@pytest.mark.parametrize(
    "typed", [["attachments", "list"], ["attachments", "evict", "--all"], ["token", "revoke", "1"]]
)
def test_without_a_spool_of_this_release_nothing_works(run: Run, file: Path, typed: list[str]) -> None:
    paths.spool(config.load(file, {})).unlink()
    assert isinstance(refusal(run(*typed)), SpoolUnavailable)


def test_a_line_says_that_files_went(run: Run, shelf: Shelf) -> None:
    result = run("attachments", "evict", "1")
    [evicted] = [line for line in map(json.loads, result.stderr.splitlines()) if line["event"] == "evicted"]
    assert (evicted["files"], evicted["bytes"]) == (1, 20)


@pytest.mark.parametrize("columns", [40, 80, 120])
def test_on_a_narrow_screen_nothing_of_a_list_is_cut(file: Path, shelf: Shelf, columns: int) -> None:
    told = seen(file, "attachments", "list", columns=columns)
    assert "…" not in told
    for word in ("1", "2", "3", "text/plain", "CHANNEL_FAILURE", "in the vault", Reason.GONE):
        assert word in " ".join(told.split())
    assert max(map(len, told.splitlines())) <= columns


SOUGHT = {
    "what was in a message": (["--message", "M1"], ["2"]),
    "what was sent to a contact": (["--contact", "c1"], ["2"]),
    "what was sent to nobody": (["--contact", "c9"], []),
    "of what was sent, what something happened to since": (["--contact", "c1", "--since", "2000-01-01"], ["2"]),
    "what something happened to lately": (["--since", "1h", "--most", "9"], ["1", "2", "3"]),
    "what something happened to since a day to come": (["--since", "2999-01-01"], []),
}


@pytest.mark.parametrize(("options", "ids"), SOUGHT.values(), ids=SOUGHT)
def test_a_list_finds(run: Run, file: Path, shelf: Shelf, options: list[str], ids: list[str]) -> None:
    attached = Attached(field="message.media_message.url", attachment_id="2", digest="", verdict="native", code="")
    with spool_samples.of_settings(file) as spool:
        send_id = record.begin(spool, spool_samples.draft(attachments=(attached,)), now=1.0)
        record.settle(spool, send_id, outcome="accepted", status=200, message_id="M1", now=2.0)
        found = json.loads(run("attachments", "list", "--json", *options).stdout)
    assert sorted(one["attachment_id"] for one in found) == ids


# A store behind the vault.


@pytest.fixture
def shared_file(settings_file: Callable[..., Path], s3: S3) -> Iterator[Path]:
    with closing(Peer(_motion, host="127.0.0.1", tls=None)) as motion:
        links = {"proxy_token": "a token of the tests, long enough"} | s3.settings()
        way = {"motion": {"url": f"http://127.0.0.1:{motion.port}"}, "server": {"min_free": "0kB"}}
        path = settings_file(**way, attachments=links)
        settings = config.load(path, {})
        paths.prepare(settings)
        spool_samples.migrate(paths.spool(settings))
        yield path


def test_where_a_file_is_and_what_nobody_knows_is_told(shared_file: Path, s3: S3) -> None:
    with opened_shelf(config.load(shared_file, {})) as shelf:
        shelf.take(LinkClaim(attachment_id="1"))
    [listed] = json.loads(asked(shared_file, "list", "--json"))
    assert (listed["in_vault"], listed["elsewhere"]) == (True, ["in the store"])
    assert "in the vault, in the store" in asked(shared_file, "show", "1")
    asked(shared_file, "evict", "--all")
    assert re.search(r"^file +in the store$", asked(shared_file, "show", "1"), re.MULTILINE)
    s3.lay(b"of a node that died", b"of a node that died")
    assert asked(shared_file, "orphans") == "There are none.\n"  # it is not a day old


def test_without_a_store_there_are_no_orphans(file: Path) -> None:
    done = CliRunner().invoke(group, ["--config", str(file), "attachments", "orphans"])
    assert "attachments.store names none" in refusal(done).reason


def asked(file: Path, *arguments: str) -> str:
    done = CliRunner().invoke(group, ["--config", str(file), "attachments", *arguments])
    assert done.exit_code == 0, done.output
    return done.stdout
