"""`nginx run`: nginx by itself, before doors that run by themselves."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import subprocess
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from sandbox import callbacks, certificates
from sandbox.child import Child, serve_command
from tests.live.house import HOST, PATIENCE_SECONDS, House, opened


@pytest.fixture
def house() -> Iterator[House]:
    """The parts one by one, nginx last."""
    with opened(started=False) as house:
        house.write_settings()
        house.command("migrate")
        for words in (["courier"], ["web", "ops"], ["web", "ingress"], ["nginx", "run"]):
            command = [*serve_command(house.config)[:-1], *words]
            house.children.append(Child(command, house.folder / "gateway.log"))
        house.wait_until_ready()
        yield house


def works(house: House) -> bool:
    return house.sinch().send(callbacks.text("is nginx there?")).status == 200


def nginx_pid(house: House) -> int:
    return int(house.decisions("nginx", event="started", part="nginx")[-1]["pid"])


def test_a_request_passes_and_the_lines_of_nginx_are_among_ours(house: House) -> None:
    assert works(house)
    assert house.ask("/nowhere", method="GET").status == 404
    house.wait_for(lambda: house.decisions("nginx", event="edge", status=404))


def test_a_configuration_that_nginx_refuses_replaces_none(house: House, tmp_path: Path) -> None:
    running = house.folder / "state" / "run" / "nginx.conf"
    before = running.read_bytes()
    other = certificates.issue(tmp_path, HOST, "127.0.0.1")
    house.tables["server"]["private_key"] = str(other.private_key)
    house.write_settings()
    house.reload()
    [line] = house.wait_for(lambda: house.decisions("nginx", event="reload refused; nothing was changed"))
    assert "nginx does not accept" in line["problems"]
    assert running.read_bytes() == before
    assert works(house)


def test_it_does_not_move_with_its_state(house: House) -> None:
    house.tables["server"]["state_dir"] = str(house.folder / "elsewhere")
    house.write_settings()
    house.reload()
    [line] = house.wait_for(lambda: house.decisions("nginx", event="reload refused; nothing was changed"))
    assert "stop it to change that" in line["problems"]
    assert works(house)
    assert not (house.folder / "elsewhere").exists()


def test_beside_it_no_other_gateway_starts_on_the_same_state(house: House) -> None:
    assert "another gateway is running" in house.command("serve", status=2)
    assert "another gateway is running" in house.command("nginx", "run", status=2)
    assert works(house)


def test_it_ends_when_nginx_does_and_leaves_no_worker(house: House) -> None:
    child = house.children.pop()
    os.kill(nginx_pid(house), signal.SIGKILL)
    house.wait_for(lambda: child.exit_status is not None)
    assert child.stop() == 2  # it would say if something were left
    assert "nginx ended with status -9" in house.log


def test_nginx_ends_when_it_is_killed(house: House) -> None:
    child = house.children.pop()
    pid = nginx_pid(house)
    child.signal(signal.SIGKILL)
    house.wait_for(lambda: not Path(f"/proc/{pid}").exists())
    assert child.stop() == -signal.SIGKILL


def test_a_port_that_is_taken_is_told(house: House) -> None:
    with opened(started=False) as second:
        second.tables["server"] |= {"public_port": house.public_port, "state_dir": str(second.folder / "own")}
        second.write_settings()
        said = second.command("nginx", "run", status=2)
        assert "Address already in use" in said
        shutil.rmtree(second.folder / "own")


@contextlib.contextmanager
def manager(folder: Path) -> Iterator[Callable[[], tuple[str, list[int]]]]:
    """What systemd is to a unit of it: it gives what it is told next, and the descriptors that came with that."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as heard:
        heard.bind(str(folder / "notify"))
        heard.settimeout(PATIENCE_SECONDS)

        def told() -> tuple[str, list[int]]:
            text, numbers, _flags, _whose = socket.recv_fds(heard, 4096, 64)
            return text.decode(), numbers

        yield told


def waiting(port: int) -> int:
    """How many have connected to a port of loopback whom nobody has taken up: proc(5), of a listener's rx_queue."""
    rows = map(str.split, Path("/proc/net/tcp").read_text().splitlines())
    return sum(int(row[4][9:], 16) for row in rows if row[1] == f"0100007F:{port:04X}" and row[3] == "0A")


def test_over_a_restart_who_connects_waits_and_afterwards_nothing_is_held(house: House) -> None:
    child, run = house.children.pop(), [*serve_command(house.config)[:-1], "nginx"]
    unit = ["env", f"NOTIFY_SOCKET={house.folder}/notify"]
    with manager(house.folder) as told, ThreadPoolExecutor() as beside:
        holds = beside.submit(subprocess.check_output, [*unit, *run, "hold", str(child.pid)], text=True)
        said, held = told()
        barrier, [end] = told()
        os.close(end)
        assert (said, barrier) == ("FDSTORE=1\nFDNAME=listening", "BARRIER=1")
        assert holds.result() == f"Kept {len(held)} listening sockets for the next nginx.\n"
        assert child.stop() == 0
        waits = beside.submit(house.sinch().send, callbacks.text("there is no nginx"))
        house.wait_for(lambda: waiting(house.public_port))
        moved = "; ".join(f"exec {place}<&{number}" for place, number in enumerate(held, 3))
        begun = f'{moved}; export LISTEN_PID=$$ LISTEN_FDS={len(held)}; exec "$@"'
        house.children.append(
            Child([*unit, "bash", "-c", begun, "bash", *run, "run"], house.folder / "gateway.log", given=held)
        )
        for number in held:
            os.close(number)
        assert told() == ("FDSTOREREMOVE=1\nFDNAME=listening", [])
        assert waits.result().status == 200
    assert house.children.pop().stop() == 0
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", house.public_port)).close()
