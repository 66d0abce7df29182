"""Where things lie: the layout of the state folder, who may go there, and the templates."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable
from pathlib import Path

import pytest

from gateway import config, paths
from gateway.errors import CommandError
from tests.config_samples import settings

File = Callable[..., Path]
LINKS = {"token_keys": ["a key of some length"]}


def test_the_layout_of_the_state_folder_is_that_of_the_releases_before() -> None:
    understood = settings(server={"state_dir": "/srv/state"})
    laid = [
        paths.spool(understood),
        paths.vault(understood),
        paths.run(understood),
        paths.socket(understood, "ingress"),
        paths.nginx_conf(understood),
        paths.edge_log(understood),
        *(paths.lock(understood, process) for process in ("courier", "serve", "ingress")),
    ]
    assert [str(path.relative_to("/srv/state")) for path in laid] == [
        "spool.sqlite3",
        "vault",
        "run",
        "run/ingress.sock",
        "run/nginx.conf",
        "edge.log",
        "courier.lock",
        "serve.lock",
        "ingress.lock",
    ]


def test_a_running_gateway_keeps_its_state_where_it_is() -> None:
    here, there = (settings(server={"state_dir": f"/srv/{name}"}) for name in ("here", "there"))
    paths.require_same_state(here, here)
    with pytest.raises(CommandError, match=r"^server\.state_dir is /srv/here for as long as the gateway runs"):
        paths.require_same_state(here, there)


def test_the_templates_are_found() -> None:
    assert {path.suffix for path in paths.templates().iterdir()} == {".j2", ".md"}


@pytest.mark.skipif(paths.worker_user() is None, reason="only root runs nginx's workers as somebody else")
def test_a_folder_that_nginxs_workers_cannot_go_through_is_told(settings_file: File, tmp_path: Path) -> None:
    understood = config.load(settings_file(), {})
    for parent in (tmp_path, *tmp_path.parents):
        if parent.owner() == tmp_path.owner() and not parent.stat().st_mode & stat.S_IXOTH:
            parent.chmod(0o711)
    paths.prepare(understood)
    paths.require_way_in(understood)
    tmp_path.chmod(0o700)
    with pytest.raises(CommandError, match=f"may not enter {tmp_path}: `chmod o\\+x {tmp_path}`"):
        paths.require_way_in(understood)


def test_the_vault_is_made_where_there_are_links_and_nginx_may_read_what_comes_into_it(settings_file: File) -> None:
    paths.prepare(config.load(settings_file(), {}))
    settings = config.load(settings_file(attachments=LINKS), {})
    vault = paths.vault(settings)
    assert not vault.exists()
    paths.prepare(settings)
    paths.prepare(settings)
    assert oct(vault.stat().st_mode & 0o7777) == ("0o2750" if paths.worker_user() else "0o750")
    assert vault.stat().st_gid == paths.run(settings).stat().st_gid


@pytest.mark.skipif(paths.worker_user() is None, reason="only root runs nginx's workers as somebody else")
def test_a_state_folder_that_was_there_is_opened_and_loses_nothing(settings_file: File) -> None:
    settings = config.load(settings_file(), {})
    settings.server.state_dir.mkdir()
    for before, after in ((0o1777, 0o1777), (0o700, 0o711)):
        settings.server.state_dir.chmod(before)
        paths.prepare(settings)
        assert settings.server.state_dir.stat().st_mode & 0o7777 == after


def test_the_state_can_be_reached_and_not_listed(settings_file: File) -> None:
    settings = config.load(settings_file(), {})
    paths.prepare(settings)
    paths.prepare(settings)
    modes = [oct(path.stat().st_mode & 0o7777) for path in (settings.server.state_dir, paths.run(settings))]
    assert modes == (["0o711", "0o2750"] if paths.worker_user() else ["0o711", "0o750"])


@pytest.mark.parametrize(
    ("caller", "expected"), [(0, False), (65534, True), (None, False)], ids=["root", "a stranger", "its own account"]
)
def test_whose_the_state_is_is_told_to_who_may_not_look_into_it(
    tmp_path: Path, caller: int | None, *, expected: bool
) -> None:
    if os.geteuid() == 0:
        os.chown(tmp_path, 65533, -1)
    understood, owner = settings(server={"state_dir": str(tmp_path)}), tmp_path.stat().st_uid
    told = paths.other_owner(understood, caller=owner if caller is None else caller)
    assert told == (paths.account(owner)[0] if expected else "")


def test_a_state_of_roots_is_nobodys() -> None:
    assert paths.other_owner(settings(server={"state_dir": "/"}), caller=65534) == ""


def test_a_state_that_cannot_be_prepared_is_told(settings_file: File, tmp_path: Path) -> None:
    (tmp_path / "state").touch()
    with pytest.raises(CommandError, match=r"server\.state_dir .* cannot be prepared: \w+"):
        paths.prepare(config.load(settings_file(), {}))


def test_programs_of_the_system_are_found_wherever_path_leads(monkeypatch: pytest.MonkeyPatch) -> None:
    for path in ("", "/nonexistent", "/usr/bin:/bin:/usr/games"):
        monkeypatch.setenv("PATH", path)
        assert {Path(paths.program(name)).name for name in paths.PROGRAMS} == {"nginx", "setpriv"}


def test_a_program_that_is_missing_is_told_with_what_brings_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(paths.PROGRAMS, "no-such-program", "its-package")
    with pytest.raises(CommandError, match="no-such-program is not installed; `apt-get install its-package` brings it"):
        paths.program("no-such-program")
