"""What lies in deploy/: units that are weighed and verified, and the files of sysusers, tmpfiles and logrotate."""

from __future__ import annotations

import fcntl
import os
import pwd
import re
import shlex
import shutil
import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from gateway import config
from gateway.doors import DOORS
from gateway.errors import SettingsError
from gateway.serving import nginx_conf
from tests.units import COMMON, FOLDER, PROGRAM, ROOT, SERVICES, TARGET, Unit, in_order

DEPLOY = ROOT / "deploy"
WORST_EXPOSURE = 20  # 2.0, as systemd-analyze counts
OURS = "motion-gateway"
NOBODY = pwd.getpwnam("nobody")

root_only = pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files to others")
with_packages = pytest.mark.live  # those that `make test` installs
each = pytest.mark.parametrize("unit", SERVICES.values(), ids=SERVICES)


def run(*command: object, status: int = 0) -> str:
    done = subprocess.run([*map(str, command)], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    assert done.returncode == status, done.stdout
    return done.stdout


@with_packages
@each
def test_a_unit_exposes_little(unit: Unit) -> None:
    run("systemd-analyze", "security", "--offline=true", "--no-pager", f"--threshold={WORST_EXPOSURE}", unit.path)


@with_packages
def test_the_measure_of_exposure_can_fail(tmp_path: Path) -> None:
    bare = tmp_path / "bare.service"
    bare.write_text("[Service]\nExecStart=/bin/true\n")
    run("systemd-analyze", "security", "--offline=true", "--no-pager", f"--threshold={WORST_EXPOSURE}", bare, status=1)


@with_packages
def test_systemd_has_nothing_to_say_about_the_units(tmp_path: Path) -> None:
    shutil.copytree(FOLDER, tmp_path, dirs_exist_ok=True)
    for path in tmp_path.glob("*.service"):
        # The program is there once it is installed.
        path.write_text(path.read_text("utf-8").replace(PROGRAM, "/bin/true"))
    assert run("systemd-analyze", "verify", *sorted(path for path in tmp_path.iterdir() if path.is_file())) == ""


@with_packages
def test_systemd_reads_what_all_have_in_common_with_each_of_them(tmp_path: Path) -> None:
    shutil.copytree(FOLDER, tmp_path, dirs_exist_ok=True)
    shutil.rmtree(tmp_path / COMMON.parent.name)
    for unit in SERVICES.values():  # without it each is open wide
        bare = tmp_path / unit.path.name
        run(
            "systemd-analyze",
            "security",
            "--offline=true",
            "--no-pager",
            f"--threshold={WORST_EXPOSURE}",
            bare,
            status=1,
        )


AT_TIMES = ("ready", "doctor", "acme")  # that end when they have done what they are for


def test_there_is_a_unit_for_every_process_and_the_target_starts_and_reloads_them_all() -> None:
    assert set(SERVICES) == {"migrate", "courier", "fetcher", "nginx", *AT_TIMES, *DOORS}
    files = {unit.path.name for unit in SERVICES.values()}
    at_times = {f"motion-gateway-{name}.service" for name in AT_TIMES}
    assert TARGET.all("Requires") == ["motion-gateway-ready.service"]
    began = {f"motion-gateway-{name}" for name in ("acme.timer", "doctor.timer", "doctor.path")}
    assert set(TARGET.all("Wants")) == files - at_times | began
    assert set(TARGET.all("PropagatesReloadTo")) == files - at_times - {"motion-gateway-migrate.service"}


@each
def test_a_unit_goes_with_the_target_and_never_gives_up(unit: Unit) -> None:
    assert unit.one("PartOf") == "motion-gateway.target"
    assert unit.one("StartLimitIntervalSec") == "0"
    # Migrating is begun again by those who want it; whether all are ready is looked at once; the others have timers.
    assert unit.all("Restart") == ([] if unit.name in ("migrate", *AT_TIMES) else ["always"])
    assert unit.all("RestartPreventExitStatus") == ["77"]  # of what only root can put right


def test_who_is_stopped_while_it_waits_has_not_failed_and_what_is_killed_otherwise_has() -> None:
    """systemd takes no signal for a success in what runs once: systemd.service(5), SuccessExitStatus."""
    assert {
        unit.name: unit.all("SuccessExitStatus") for unit in SERVICES.values() if unit.one("Type") == "oneshot"
    } == {
        "migrate": [],
        "ready": ["SIGTERM"],
        "doctor": ["1 2 SIGTERM"],
        "acme": ["SIGTERM"],
    }


def test_the_reload_that_tells_whether_it_came_off_names_every_service_that_takes_one() -> None:
    [named] = re.findall(
        r"systemctl reload motion-gateway-\{(.*)\}\.service", (ROOT / "docs/deployment.md").read_text("utf-8")
    )
    assert set(named.split(",")) == {unit.name for unit in SERVICES.values() if unit.all("ExecReload")}


def test_they_start_in_the_order_in_which_each_has_what_it_needs() -> None:
    names = [unit.name for unit in in_order()]
    assert names[:2] == ["migrate", "courier"]
    assert set(names[2:-4]) == {"fetcher", *DOORS}
    assert (names[-4:-2], {*names[-2:]}) == (["nginx", "ready"], {"doctor", "acme"})


@each
def test_what_none_may_do_stands_once_and_no_unit_takes_it_back(unit: Unit) -> None:
    common = settings_in(COMMON)
    assert {"NoNewPrivileges", "ProtectSystem", "SystemCallArchitectures", "KillMode", "PartOf"} <= common
    assert settings_in(unit.path) & common == set()
    # In each unit itself: one that is copied without the others must not run as root.
    assert unit.path.read_text("utf-8").count(f"\nUser={OURS}\nGroup={OURS}\n") == 1


def settings_in(file: Path) -> set[str]:
    return set(re.findall(r"^(\w+)=", file.read_text("utf-8"), re.MULTILINE))


def test_a_file_of_the_operators_own_has_the_last_word() -> None:
    """systemd reads drop-ins in the order of their names, wherever they lie: systemd.unit(5)."""
    assert COMMON.name < "override.conf"  # as `systemctl edit` calls it


@each
def test_only_nginx_has_a_capability_and_only_who_calls_out_has_a_network(unit: Unit) -> None:
    granted = "CAP_NET_BIND_SERVICE" if unit.name == "nginx" else ""
    assert unit.one("CapabilityBoundingSet") == granted
    assert unit.all("AmbientCapabilities") == ([granted] if granted else [])
    networked = unit.name in ("courier", "fetcher", "attachments", "outbound", "nginx", *AT_TIMES)
    assert unit.all("PrivateNetwork") == ([] if networked else ["yes"])
    assert ("AF_INET" in unit.one("RestrictAddressFamilies")) is networked


def test_who_sets_up_several_machines_is_told_of_each_unit_that_needs_a_way_to_the_database() -> None:
    page = (ROOT / "docs/several-machines.md").read_text("utf-8")
    [named] = re.findall(r"^for unit in ([a-z ]+); do$", page, re.MULTILINE)
    assert set(named.split()) == {name for name, unit in SERVICES.items() if unit.all("PrivateNetwork") == ["yes"]}


# Who calls out may need a CA that lies beside the keys.
KEYS = " ".join(f"-/etc/motion-gateway/tls/{name}privkey.pem" for name in ("", "outbound-"))
KEPT_FROM: dict[str, list[str]] = {name: [] for name in ("courier", "nginx", "doctor", "acme")}
KEPT_FROM |= {name: [KEYS] for name in ("attachments", "outbound", "fetcher", "ready")}


@each
def test_the_private_keys_are_nginxs(unit: Unit) -> None:
    assert unit.all("InaccessiblePaths") == KEPT_FROM.get(unit.name, ["-/etc/motion-gateway/tls"])


def deadline(seconds: int, settings_file: Callable[..., Path]) -> float:
    return config.load(settings_file(spool={"deadline": f"{seconds}s"}), {}).spool.deadline


def test_a_unit_is_given_longer_to_stop_than_draining_and_the_longest_delivery_take(
    settings_file: Callable[..., Path],
) -> None:
    longest = deadline(60, settings_file) + 60  # of server.drain: tests/test_config_values.py
    with pytest.raises(SettingsError):
        deadline(61, settings_file)
    for unit in SERVICES.values():
        assert float(unit.one("TimeoutStopSec")) > longest + 10.0


def test_one_command_of_all_units_is_roots_and_its_failure_stops_nothing() -> None:
    commands = [line for unit in SERVICES.values() for line in unit.path.read_text("utf-8").splitlines()]
    by_root = [line for line in commands if re.match(r"Exec\w+=[-@:!]*\+", line)]
    assert by_root == [f"ExecStop=-+{PROGRAM} nginx hold $MAINPID"]
    assert (SERVICES["nginx"].one("NotifyAccess"), SERVICES["nginx"].one("Type")) == ("exec", "exec")
    assert int(SERVICES["nginx"].one("FileDescriptorStoreMax")) >= 16  # as many listeners; without it none is kept


def test_nginx_may_open_the_files_that_its_configuration_counts_on(settings_file: Callable[..., Path]) -> None:
    rendered = nginx_conf.configuration(config.load(settings_file(), {}))
    assert f"worker_rlimit_nofile {SERVICES['nginx'].one('LimitNOFILE')};" in rendered


def test_a_reload_proves_the_settings_first() -> None:
    for unit in SERVICES.values():
        look = "--nginx" if unit.name == "nginx" else "--settings"
        assert unit.name in ("migrate", *AT_TIMES) or unit.all("ExecReload")[0] == f"{PROGRAM} config check {look}"


@pytest.mark.parametrize("name", AT_TIMES)
@pytest.mark.parametrize("status", [0, 1, 2, 126, 127])
def test_a_release_that_does_not_know_a_command_is_passed_over_and_one_that_is_broken_is_not(
    tmp_path: Path, status: int, name: str
) -> None:
    program = tmp_path / "motion-gateway"
    program.write_text(f"#!/bin/sh\nexit {status}\n")
    program.chmod(0o755)
    condition = SERVICES[name].one("ExecCondition").replace("$$", "$").replace(PROGRAM, str(program))
    assert subprocess.run(shlex.split(condition)).returncode == (status == 2)


def strangers(root: Path) -> tuple[set[Path], set[Path]]:
    """Lays what a newer release has put there, by its list, and what somebody else did; returns both."""
    newer = (
        "lib/systemd/system/motion-gateway-newer.timer",
        "lib/systemd/system/motion-gateway-newer.service.d/10-a.conf",
    )
    newer += ("lib/sysusers.d/motion-gateway-newer.conf", "lib/tmpfiles.d/motion-gateway-newer.conf")
    theirs = {f"/usr/local/{place}" for place in newer} | {"/etc/logrotate.d/motion-gateway-newer"}
    others = {"/usr/local/lib/systemd/system/motion-gateway-backup.timer", "/etc/logrotate.d/motion-gateway-edge"}
    for place in (*theirs, *others):
        (root / place[1:]).parent.mkdir(parents=True, exist_ok=True)
        (root / place[1:]).write_text("")
    listed = root / "opt/motion-gateway/installed-files"
    listed.parent.mkdir(parents=True, exist_ok=True)
    listed.write_text("\n".join(sorted(theirs | PLACED)) + "\n")
    return {root / place[1:] for place in theirs}, {root / place[1:] for place in others}


SYSTEM = "/usr/local/lib/systemd/system"
PLACED = {f"{SYSTEM}/{path.relative_to(FOLDER)}" for path in FOLDER.rglob("*") if path.is_file()}
PLACED |= {f"/usr/local/lib/{kind}.d/motion-gateway.conf" for kind in ("sysusers", "tmpfiles")}
PLACED |= {"/etc/logrotate.d/motion-gateway"}
MADE = (
    "share/bash-completion/completions/motion-gateway",
    "share/fish/vendor_completions.d/motion-gateway.fish",
    "share/man/man1/motion-gateway.1",
    "share/zsh/site-functions/_motion-gateway",
)
PAGES = "share/doc/motion-gateway"
PLACED |= {f"/usr/local/{file}" for file in (*MADE, f"{PAGES}/pages")}


def test_the_files_of_another_release_go_with_ours_and_nobody_elses(tmp_path: Path) -> None:
    theirs, others = strangers(tmp_path)
    for place in PLACED:
        (tmp_path / place[1:]).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / place[1:]).write_text("")
    release = tmp_path / "opt/motion-gateway/releases/one/bin/motion-gateway"
    release.parent.mkdir(parents=True)
    release.write_text("")
    run("make", "-C", ROOT, "withdraw", f"DESTDIR={tmp_path}")
    assert {path for path in tmp_path.rglob("*") if path.is_file()} == {*others, release}
    assert not list(tmp_path.rglob("motion-gateway-*.d"))
    run("make", "-C", ROOT, "uninstall", f"DESTDIR={tmp_path}")
    assert {path for path in tmp_path.rglob("*") if path.is_file()} == others
    assert theirs


def test_who_runs_without_systemd_is_stopped_before_the_release_is_taken_from_him(tmp_path: Path) -> None:
    release, lock = (
        tmp_path / "opt/motion-gateway/releases/one/bin/motion-gateway",
        tmp_path / "var/lib/motion-gateway/serve.lock",
    )
    for file in (release, lock):
        file.parent.mkdir(parents=True)
        file.write_text("")
    with lock.open() as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        told = run("make", "-C", ROOT, "uninstall", f"DESTDIR={tmp_path}", status=2)
        assert "stop it first, with sudo pkill -TERM -f 'motion-gateway serve$'" in told
        assert release.exists()
    run("make", "-C", ROOT, "uninstall", f"DESTDIR={tmp_path}")
    assert not release.exists()


@with_packages
@root_only
def test_the_account_and_its_folders_are_made_without_systemd_as_with_it(tmp_path: Path) -> None:
    """In a root of its own, made of ours: a mount namespace, with other folders over those that it writes to."""
    for name in ("etc", "var"):
        (tmp_path / name).mkdir()
    shutil.copytree("/etc", tmp_path / "etc", dirs_exist_ok=True, symlinks=True, ignore=shutil.ignore_patterns("ssl"))
    script = (DEPLOY / "account").read_text("utf-8")
    [functions] = re.findall(r"^account_by_hand\(\) \{.*?^\}", script, re.DOTALL | re.MULTILINE)
    program = f"""
        mount --bind {tmp_path}/etc /etc && mount --bind {tmp_path}/var /var && cd {ROOT} && set -eu && folder=deploy
        {functions}
        account_by_hand; account_by_hand
        getent passwd {OURS}
        stat -c '%n %a %U:%G' /etc/{OURS} /etc/{OURS}/tls /var/lib/{OURS} /var/log/{OURS} /var/www/acme
    """
    said = run("unshare", "--mount", "bash", "-c", program).splitlines()
    [account] = [line for line in said if line.startswith(f"{OURS}:")]
    assert account.split(":")[4:] == ["Motion Gateway", "/var/lib/motion-gateway", "/usr/sbin/nologin"]
    assert said[-5:] == [
        f"/etc/{OURS} 750 root:{OURS}",
        f"/etc/{OURS}/tls 750 {OURS}:{OURS}",
        f"/var/lib/{OURS} 711 {OURS}:{OURS}",
        f"/var/log/{OURS} 750 {OURS}:{OURS}",
        "/var/www/acme 755 root:root",
    ]


def test_the_example_of_the_settings_is_that_of_the_pages(tmp_path: Path) -> None:
    secrets = tmp_path / "secrets"
    secrets.write_text("a-secret-for-this-test\n")
    secrets.chmod(0o600)
    example = re.sub(r'(_file = )".*?"', rf'\1"{secrets}"', (DEPLOY / "gateway.toml").read_text("utf-8"))
    file = tmp_path / "gateway.toml"
    file.write_text(example)
    assert config.load(file, {}).accounts[0].connector_id == 7


@with_packages
@root_only
def test_sysusers_and_tmpfiles_make_the_account_and_its_folders(tmp_path: Path) -> None:
    for kind in ("sysusers", "tmpfiles"):
        shutil.copytree(DEPLOY / f"{kind}.d", tmp_path / "usr/lib" / f"{kind}.d")
    (tmp_path / "etc").mkdir()
    run("systemd-sysusers", f"--root={tmp_path}", "motion-gateway.conf")
    [account] = re.findall(rf"^{OURS}:.*$", (tmp_path / "etc/passwd").read_text(), re.MULTILINE)
    _, _, uid, gid, *_, home, shell = account.split(":")
    assert (home, shell) == ("/var/lib/motion-gateway", "/usr/sbin/nologin")
    run("systemd-tmpfiles", f"--root={tmp_path}", "--create", "motion-gateway.conf")
    root, ours = (0, int(gid)), (int(uid), int(gid))
    for folder, mode, owner in (
        ("etc/motion-gateway", 0o750, root),
        ("etc/motion-gateway/tls", 0o750, ours),
        ("var/lib/motion-gateway", 0o711, ours),
        ("var/log/motion-gateway", 0o750, ours),
        ("var/www/acme", 0o755, (0, 0)),
    ):
        there = (tmp_path / folder).stat()
        assert (stat.S_IMODE(there.st_mode), (there.st_uid, there.st_gid)) == (mode, owner), folder


def rotate(tmp_path: Path) -> None:
    """Run the real logrotate with our file, in another folder and with another account."""
    text = (DEPLOY / "logrotate.d" / OURS).read_text("utf-8")
    group = run("id", "-gn", "nobody").strip()
    text = text.replace(f"su {OURS} {OURS}", f"su nobody {group}").replace(
        "/run/nginx.pid", str(tmp_path / "nginx.pid")
    )
    for name in ("log", "lib"):
        text = text.replace(f"/var/{name}/motion-gateway", str(tmp_path / name))
    file = tmp_path / "logrotate"
    file.write_text(text)
    said = run("logrotate", "--force", "--verbose", "--state", tmp_path / "state", file)
    assert "error" not in said.lower(), said


@pytest.fixture
def folders(tmp_path: Path) -> Path:
    """Where /var/log and /var/lib have folders of the account, which can get there."""
    for name in ("log", "lib"):
        (tmp_path / name).mkdir(mode=0o750)
        os.chown(tmp_path / name, NOBODY.pw_uid, NOBODY.pw_gid)
    for parent in (tmp_path, *list(tmp_path.parents)[:2]):
        parent.chmod(0o711)
    return tmp_path


@with_packages
@root_only
def test_the_log_of_serve_is_rotated_under_a_program_that_keeps_it_open(folders: Path) -> None:
    log = folders / "log" / "gateway.log"
    log.touch()
    os.chown(log, NOBODY.pw_uid, NOBODY.pw_gid)
    with log.open("a") as kept_open:
        print("first", file=kept_open, flush=True)
        rotate(folders)
        print("second", file=kept_open, flush=True)
        assert (log.read_text(), log.with_name("gateway.log.1").read_text()) == ("second\n", "first\n")
        rotate(folders)
    assert sorted(path.name for path in log.parent.iterdir()) == ["gateway.log", "gateway.log.1", "gateway.log.2.gz"]


@with_packages
@root_only
def test_the_log_of_an_nginx_of_your_own_is_renamed_and_that_nginx_is_told(folders: Path) -> None:
    log = folders / "lib" / "edge.log"
    log.write_text("first\n")  # root's, as nginx makes it
    waits = "import signal; signal.pthread_sigmask(0, {10}); print(flush=True); print(signal.sigtimedwait({10}, 20))"
    with subprocess.Popen([sys.executable, "-c", waits], stdout=subprocess.PIPE, text=True) as nginx:
        assert nginx.stdout is not None
        nginx.stdout.readline()
        (folders / "nginx.pid").write_text(f"{nginx.pid}\n")
        rotate(folders)
        assert "si_signo=10" in nginx.communicate()[0]
    log.write_text("second\n")
    (folders / "nginx.pid").write_text("")
    rotate(folders)
    assert [(path.name, path.read_text()) for path in sorted(log.parent.iterdir())] == [
        ("edge.log.1", "second\n"),
        ("edge.log.2", "first\n"),
    ]
