"""What an operator's machine does to the gateway, and what his commands do to it: another account, a full disk."""

from __future__ import annotations

import contextlib
import functools
import itertools
import os
import shutil
import signal
import socket
import sqlite3
import stat
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from sandbox import callbacks
from sandbox.child import Child, serve_command
from tests.live.house import ACCOUNT, PATIENCE_SECONDS, House, opened
from tests.live.test_attachments import LINKS, NAME, PHOTO, Files
from tests.live.test_units import installed

ANOTHER = 65534  # nobody, whom every machine has

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root goes on as somebody else, and mounts disks")


def works(house: House) -> bool:
    return house.sinch().send(callbacks.text("does it work?")).status == 200


def owners(folder: Path) -> dict[str, tuple[int, int, str]]:
    """Whose everything is, and how it may be used."""
    found = {}
    for path in (folder, *folder.rglob("*")):
        with contextlib.suppress(FileNotFoundError):  # what is there for a moment alone
            at = path.lstat()
            found[str(path.relative_to(folder))] = (at.st_uid, at.st_gid, oct(stat.S_IMODE(at.st_mode)))
    return found


def of_run(house: House) -> dict[str, tuple[int, int, str]]:
    """The same of `run/`, but for what is counted: a process begins to when there is something to count."""
    found = owners(house.folder / "state" / "run")
    return {name: told for name, told in found.items() if not name.startswith("metrics/")}


@pytest.fixture(scope="module")
def release() -> Iterator[tuple[str, ...]]:
    """What runs an installed release: the checkout may be where another account does not get to."""
    with installed() as root:
        folder = root / "opt/motion-gateway/current/bin"
        yield str(folder / "python"), str(folder / "motion-gateway")


@contextlib.contextmanager
def anothers_house(release: tuple[str, ...]) -> Iterator[House]:
    """A gateway whose state belongs to another account than ours."""
    with opened(started=False, attachments=LINKS) as house:
        house.program = release
        house.write_settings()
        (house.folder / "state").mkdir(mode=0o711)
        for path in (house.folder / "state", *house.folder.glob("*.pem")):
            os.chown(path, ANOTHER, ANOTHER)
        yield house


COMMANDS: dict[str, tuple[str, ...]] = {
    "migrate": ("migrate",),
    "events list": ("events", "list"),
    "sends list": ("sends", "list"),
    "attachments list": ("attachments", "list"),
    "attachments evict": ("attachments", "evict", "--all"),
    "turned-away list": ("turned-away", "list"),
    "token revoke": ("token", "revoke", "51"),
    "exposure": ("exposure",),
    "config check": ("config", "check"),
    "config show": ("config", "show"),
    "certs check": ("certs", "check", "--json"),
}


def belongs_to_its_owner(house: House) -> bool:
    return {told[:2] for told in owners(house.folder / "state").values()} == {(ANOTHER, ANOTHER)}


@as_root
def test_whatever_root_types_leaves_the_state_to_its_owner(release: tuple[str, ...], tmp_path: Path) -> None:
    with anothers_house(release) as house:
        house.command("migrate")  # before anything is there but the folder
        assert belongs_to_its_owner(house)
        house.start()
        files = Files(house, house.archive.put(NAME, PHOTO))
        assert files.ask(files.proxied()).status == 200
        assert works(house)
        house.settle()
        before = of_run(house)
        for name, arguments in COMMANDS.items():
            done = subprocess.run(house.typed(*arguments), capture_output=True, text=True)
            assert (name, done.returncode in (0, 1), "Traceback" in done.stderr) == (name, True, False), done.stderr
        for refused in ("serve", "web ingress"):
            assert "is running on" in house.command(*refused.split(), status=2)
        copy = house.folder / "copies"
        copy.mkdir()
        os.chown(copy, ANOTHER, ANOTHER)
        house.command("spool", "backup", "--to", str(copy / "spool-1"))
        assert (copy / "spool-1").stat().st_uid == ANOTHER
        assert of_run(house) == before
        assert belongs_to_its_owner(house)
        # And what needs nobody's state stays root's.
        mine = tmp_path / "photo.jpg"
        mine.write_bytes(PHOTO)
        mine.chmod(0o600)
        assert "image/jpeg" in house.command("attachment", "inspect", str(mine))
        house.command("nginx", "render", "--include", "--to", str(tmp_path / "conf.d"))
        house.command("certs", "private-ca", "--dir", str(tmp_path / "ca"), "gateway.internal")
        assert {(tmp_path / name).stat().st_uid for name in ("conf.d/motion-gateway.conf", "ca")} == {0}
        house.stop()
        house.start()
        assert works(house)


@as_root
def test_where_nothing_is_there_yet_root_goes_on() -> None:
    with opened() as house:
        assert (house.folder / "state").stat().st_uid == 0
        assert works(house)


def leave(run: Path) -> None:
    """What a root of an older release may have left in `run/`."""
    os.chown(run, -1, 33)
    run.chmod(0o2700)
    for name in ("nginx.pid", "nginx.conf", "nginx.conf.new", "nginx.conf.before", "ingress.sock"):
        (run / name).unlink(missing_ok=True)
        (run / name).write_text("x")
    os.mknod(run / "ops.sock", stat.S_IFSOCK | 0o700)
    for name in ("client_body", "proxy"):
        (run / name).rmdir()
        (run / name).mkdir()
    (run / "attachments.sock").unlink(missing_ok=True)
    (run / "attachments.sock").mkdir()


NOT_TO_BE_MENDED: dict[str, Callable[[Path], object]] = {
    "a folder of root's": lambda state: os.chown(state / "run", 0, 0),
    "a lock of root's": lambda state: [os.chown(lock, 0, 0) for lock in state.glob("*.lock")],
}


@as_root
def test_run_is_put_right_at_the_start_and_what_only_root_can_put_right_is_said_in_words(
    release: tuple[str, ...],
) -> None:
    with anothers_house(release) as house:
        house.start()
        house.stop()
        state = house.folder / "state"
        leave(state / "run")
        house.start()
        assert works(house)
        assert belongs_to_its_owner(house)
        assert stat.S_IMODE((state / "run").stat().st_mode) == 0o750
        house.stop()
        for broken in NOT_TO_BE_MENDED.values():
            broken(state)
            for part in ("serve", "web ingress", "nginx run"):
                said = house.command(*part.split(), status=77)
                assert (said.count("\n"), "`sudo chown -R nobody: " in said, "Traceback" in said) == (1, True, False)
            subprocess.run(["chown", "-R", "nobody:", state], check=True)
        os.chown(state, ANOTHER, ANOTHER)


def reload_refused(house: House, count: int = 1) -> dict[str, object]:
    def found() -> list[dict[str, object]]:
        return house.decisions("serve", event="reload refused; nothing was changed")[count - 1 :]

    house.reload()
    [line] = house.wait_for(found)
    found_line: dict[str, object] = line
    return found_line


@contextlib.contextmanager
def small_disk_house(files: int = 0) -> Iterator[House]:
    """A gateway whose state is on a disk of its own, of 8 MB, and for so many files."""
    with opened(started=False, attachments=LINKS, server={"min_free": "1MB"}) as house:
        state = house.folder / "state"
        state.mkdir(mode=0o711)
        mount(state, f"size=8m,mode=711,nr_inodes={files}")
        try:
            yield house
            house.stop()
        finally:
            for child in house.children:
                child.stop()
            house.children.clear()
            subprocess.run(["umount", "-l", state], check=True)


def fill(state: Path) -> Path:
    """Leave not a byte."""
    ballast = state / "ballast"
    with contextlib.suppress(OSError), ballast.open("ab", buffering=0) as file:
        while True:
            file.write(b"\0" * 4096)
    assert os.statvfs(state).f_bavail == 0
    return ballast


def add_eight(house: House) -> None:
    eight = {"connector_id": 8, "app_id": "01JQ8V4M2Z7T5X9C3N6B1K0EIG", "webhook_secrets": ["a secret of number 8"]}
    house.tables["account"].append(ACCOUNT | eight)
    house.tables["ingress"] = {"max_body": "3MB"}
    house.write_settings()


def configuration(house: House) -> str:
    return (house.folder / "state/run/nginx.conf").read_text()


@as_root
def test_a_reload_on_a_full_disk_is_refused_in_words_and_what_runs_goes_on() -> None:
    with small_disk_house() as house:
        house.start()
        before = configuration(house)
        ballast = fill(house.folder / "state")
        add_eight(house)
        assert "No space left on device" in str(reload_refused(house)["problems"])
        assert configuration(house) == before
        assert house.ask("/").status == 404
        ballast.unlink()
        house.reload()
        house.wait_for(lambda: house.decisions("serve", event="reloaded"))
        assert configuration(house) != before
        assert works(house)


@as_root
def test_a_reload_on_a_disk_that_became_read_only_or_that_went_is_refused_in_words() -> None:
    with small_disk_house() as house:
        house.start()
        state = house.folder / "state"
        before = configuration(house)
        add_eight(house)
        (state / "serve.lock").rename(state / "moved")
        assert "is gone" in str(reload_refused(house)["problems"])
        (state / "moved").rename(state / "serve.lock")
        (state / "run").rename(state / "elsewhere")
        (state / "run").write_text("a file")
        assert "Not a directory" in str(reload_refused(house, 2)["problems"])
        (state / "run").unlink()
        (state / "elsewhere").rename(state / "run")
        for options in ("--bind", "--options=remount,bind,ro"):
            subprocess.run(["mount", options, state / "run", state / "run"], check=True)
        assert "Read-only file system" in str(reload_refused(house, 3)["problems"])
        subprocess.run(["umount", "-l", state / "run"], check=True)
        assert configuration(house) == before
        assert works(house)


@as_root
def test_a_start_on_a_full_disk_serves_what_can_be_served() -> None:
    with small_disk_house() as house:
        house.start()
        files = Files(house, house.archive.put(NAME, PHOTO))
        link = files.minted()
        assert files.ask(link).status == 200
        house.settle()
        state = house.folder / "state"
        ballast = fill(state)
        for kept in (True, False):  # what was kept for the first start is gone at the second
            house.stop()
            fill(state)
            house.children.append(Child(serve_command(house.config), house.folder / "gateway.log"))
            house.wait_for(lambda: house.decisions("serve", event="started", part="nginx") or house.ended())
            assert not house.ended(), house.log
            house.wait_for(lambda: b"spool disk full" in house.ops("/readyz").body)
            house.wait_for(lambda: not works(house))  # once what was kept for the start is used up, too
            answer = files.ask(link)
            assert (answer.status, answer.body) == (200, PHOTO) or not kept, house.log[-2000:]
        ballast.unlink()
        house.wait_for(lambda: works(house))


@as_root
def test_a_disk_that_has_room_and_no_more_files_loses_nothing_and_is_told() -> None:
    with small_disk_house(files=500) as house:
        house.start()
        files = Files(house, house.archive.put(NAME, PHOTO))
        link = files.minted()
        state = house.folder / "state"

        def fill_up() -> None:
            (state / "ballast").mkdir(exist_ok=True)
            with contextlib.suppress(OSError):
                for number in itertools.count(time.time_ns()):
                    (state / "ballast" / str(number)).touch()

        assert files.ask(link).status == 200
        fill_up()
        sinch = house.sinch()
        assert sinch.send(callbacks.text("short")).status == 200
        assert sinch.send(callbacks.text("x" * 50_000)).status == 503  # which nginx keeps in a file; Sinch comes again
        assert files.ask(link).body == PHOTO
        another = Files(house, house.archive.put("b.jpg", PHOTO + b"\0"))
        assert another.ask(another.minted()).status == 503
        assert house.decisions("attachments", finding="vault-full")
        house.wait_for(lambda: b"spool disk full" in house.ops("/readyz").body)
        add_eight(house)
        assert "No space left on device" in str(reload_refused(house)["problems"])
        house.stop()
        fill_up()
        house.children.append(Child(serve_command(house.config), house.folder / "gateway.log"))
        house.wait_for(lambda: house.decisions("serve", event="started", part="nginx")[1:] or house.ended())
        assert not house.ended(), house.log[-2000:]
        house.wait_for(lambda: b"spool disk full" in house.ops("/readyz").body)
        assert files.ask(link).body == PHOTO
        shutil.rmtree(state / "ballast")
        house.wait_for(lambda: works(house))
        house.settle()


ON_THE_SPOOL = (
    *(
        "migrate",
        "events list",
        "events show 1",
        "events replay --parked",
        "events park 1",
        "sends list",
        "sends show 1",
    ),
    *("events erase --contact 1 --yes", "attachments list", "attachments evict --all", "token revoke 51"),
    *("turned-away list", "spool backup --to {copy}"),
)
THAT_STAY = ("web ingress", "web ops", "courier", "serve")


def damage(state: Path, how: str) -> None:
    spool = state / "spool.sqlite3"
    content = spool.read_bytes()
    if how == "another program's":
        with contextlib.closing(sqlite3.connect(spool)) as driver:
            driver.execute("PRAGMA application_id = 1094795585")
    elif how == "another program's tables":
        spool.unlink()
        with contextlib.closing(sqlite3.connect(spool)) as driver:
            driver.execute("CREATE TABLE moz_places (id)")
        os.chown(spool, ANOTHER, ANOTHER)
    else:
        spool.write_bytes({"text": b"no database " * 1000, "cut off": content[:-8192], "a stump": content[:50]}[how])


TROUBLES: dict[str, tuple[str, int, Callable[[Path], object]]] = {
    "full": ("spool disk full", 2, fill),
    "read-only": ("read-only", 2, lambda state: mount(state, "remount,ro")),
    "not yours": ("spool not yours", 77, lambda state: os.chown(state / "spool.sqlite3", 0, 0)),
    **{
        how: ("spool damaged", 2, functools.partial(damage, how=how))
        for how in ("text", "cut off", "a stump", "another program's", "another program's tables")
    },
}


FOR_ALL = [TROUBLES[name][2] for name in ("full", "read-only", "not yours", "text")]


def mount(state: Path, options: str) -> None:
    subprocess.run(["mount", "-t", "tmpfs", "-o", options, "tmpfs", state], check=True)


@as_root
@pytest.mark.parametrize(("told", "status", "trouble"), TROUBLES.values(), ids=TROUBLES)
def test_every_command_says_in_a_line_what_is_wrong_with_the_spool(
    release: tuple[str, ...], told: str, status: int, trouble: Callable[[Path], object]
) -> None:
    with anothers_house(release) as house:
        state = house.folder / "state"
        mount(state, f"size=2m,mode=711,uid={ANOTHER},gid={ANOTHER}")
        try:
            house.command("migrate")
            trouble(state)
            copies = house.folder / "copies"
            copies.mkdir()
            os.chown(copies, ANOTHER, ANOTHER)
            going_on = told == "spool disk full"  # doors and courier: they serve what they can
            commands = ON_THE_SPOOL + (() if going_on else THAT_STAY)
            for command in commands if trouble in FOR_ALL else ("migrate", "events list", "web ingress"):
                typed = house.typed(*command.format(copy=copies / "spool-1").split())
                done = subprocess.run(typed, capture_output=True, text=True, timeout=2 * PATIENCE_SECONDS)
                lines = (done.stdout + done.stderr).splitlines()
                assert (command, done.returncode, len(lines)) == (command, status, 1), lines
                assert told in lines[0].lower(), (command, lines)
        finally:
            subprocess.run(["umount", "-l", state], check=True)


def test_nginx_that_is_killed_right_after_its_start_is_started_again() -> None:
    with opened() as house:
        for number in (signal.SIGKILL, signal.SIGTERM):
            before = house.pid("nginx")
            os.kill(before, number)
            house.wait_for(lambda: house.pid("nginx") != before)  # noqa: B023 - it is waited for here
            house.wait_for(lambda: house.ops("/readyz").status == 200)
        assert works(house)


def test_a_reload_that_nginx_notices_only_at_its_ports_leaves_everything_as_it_was() -> None:
    with opened() as house:
        before = configuration(house)
        with socket.socket() as other:
            other.bind(("127.0.0.1", 0))
            other.listen()
            house.tables["server"]["http_port"] = other.getsockname()[1]
            house.write_settings()
            assert "goes on with the configuration before" in str(reload_refused(house)["problems"])
        assert configuration(house) == before
        house.kill("nginx")
        house.wait_for(lambda: house.ops("/readyz").status == 200)
        assert works(house)
