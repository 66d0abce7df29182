"""`attachment inspect`, as it is typed: on real files, with and without settings."""

from __future__ import annotations

import json
import os
import wave
from collections.abc import Callable
from pathlib import Path
from typing import Any

import docx
import pytest
from click.testing import CliRunner, Result
from PIL import Image
from reportlab.pdfgen import canvas

from gateway import config
from gateway.cli import group
from gateway.cli.inspection import default_limits
from tests.config_samples import settings
from tests.media_samples import MB

Settings = Callable[..., Path]


def run(*arguments: str | Path, config: Path = Path("/none.toml")) -> Result:
    return CliRunner().invoke(group, ["--config", str(config), "attachment", "inspect", *map(str, arguments)])


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    Image.new("RGB", (40, 30), "red").save(tmp_path / "photo.jpg")
    Image.new("P", (40, 30)).save(tmp_path / "moving.gif")
    (tmp_path / "page.txt").write_text("<html><script>alert(1)</script></html>")
    (tmp_path / "nothing.pdf").write_bytes(b"")
    return tmp_path


def verdicts(found: Result) -> dict[str, Any]:
    return {Path(file["path"]).name: file["verdicts"] for file in json.loads(found.stdout)}


def test_programs_are_told_path_type_size_and_the_verdict_of_each_profile(folder: Path) -> None:
    found = run("--json", folder / "photo.jpg", folder / "moving.gif")
    photo, moving = json.loads(found.stdout)
    assert found.exit_code == 0
    assert set(photo) == {"path", "mime", "size", "verdicts"}
    assert photo["path"] == str(folder / "photo.jpg")
    assert (photo["mime"], photo["size"]) == ("image/jpeg", (folder / "photo.jpg").stat().st_size)
    assert set(photo["verdicts"]) == {"meta-cloud", "xcally-observed", "strict"}
    for verdict in photo["verdicts"].values():
        assert verdict == {"verdict": "native", "code": None, "reason": "WhatsApp shows it as a picture.", "remedy": ""}
    observed = moving["verdicts"]["xcally-observed"]
    assert (observed["verdict"], observed["code"]) == ("refused", "CHANNEL_FAILURE")
    assert observed["reason"] == "Meta does not support GIF."
    assert observed["remedy"] == "Save a picture as PNG or JPEG, an animation as MP4, and send that."


def test_the_content_decides_and_not_the_name(folder: Path) -> None:
    (folder / "fake.jpg").write_bytes((folder / "moving.gif").read_bytes())
    found = verdicts(run("--json", folder / "fake.jpg", folder / "page.txt", folder / "nothing.pdf"))
    assert found["fake.jpg"]["xcally-observed"]["code"] == "CHANNEL_FAILURE"
    for name in ("page.txt", "nothing.pdf"):
        assert found[name]["strict"]["code"] == "ATTACHMENT_REJECTED"
    assert found["page.txt"]["meta-cloud"]["verdict"] == "link"
    for verdict in found["nothing.pdf"].values():
        assert (verdict["verdict"], verdict["reason"]) == ("refused", "The file is empty: it has 0 bytes.")


def program(*, library: bool) -> bytes:
    """The least that is a Windows program: its two headers."""
    dos = b"MZ" + bytes(58) + (64).to_bytes(4, "little")
    return dos + b"PE\0\0" + bytes(18) + (0x2002 if library else 2).to_bytes(2, "little") + bytes(400)


def wave_file(path: Path) -> None:
    with wave.open(str(path), "wb") as sound:
        sound.setparams((1, 2, 8000, 0, "NONE", ""))
        sound.writeframes(bytes(3200))


def pdf_file(path: Path) -> None:
    page = canvas.Canvas(str(path))
    page.drawString(72, 72, "a page")
    page.save()


MAKERS: dict[str, tuple[Callable[[Path], object], str, str | None]] = {
    "a.csv": (lambda path: path.write_text("name;sum\nA;1\nB;2\n"), "link", None),
    "a.gif": (lambda path: Image.new("P", (40, 30)).save(path), "refused", "CHANNEL_FAILURE"),
    "a.jpg": (lambda path: Image.new("RGB", (40, 30)).save(path), "native", None),
    "a.png": (lambda path: Image.new("RGB", (40, 30)).save(path), "native", None),
    "a.pdf": (pdf_file, "link", None),
    "a.wav": (wave_file, "refused", "BAD_REQUEST"),
    "a.dll": (lambda path: path.write_bytes(program(library=True)), "link", None),
    "a.exe": (lambda path: path.write_bytes(program(library=False)), "refused", "BAD_REQUEST"),
    "a.docx": (lambda path: docx.Document().save(str(path)), "refused", "MEDIA_TYPE_UNSUPPORTED"),
}


@pytest.mark.parametrize("name", MAKERS)
def test_a_real_file_is_judged_as_xcally_has_observed(name: str, tmp_path: Path) -> None:
    make, verdict, code = MAKERS[name]
    make(tmp_path / name)
    observed = verdicts(run("--json", tmp_path / name))[name]["xcally-observed"]
    assert (observed["verdict"], observed["code"]) == (verdict, code)


def test_people_are_told_why_and_what_to_do(folder: Path) -> None:
    found = run(folder / "photo.jpg", folder / "moving.gif")
    assert found.exit_code == 0
    lines = [" ".join(line.split()) for line in found.stdout.splitlines()]
    assert lines[0] == "file type size profile verdict code why, and what to do"
    assert lines[1].startswith(f"{folder}/photo.jpg image/jpeg ")
    assert lines[1].endswith(" meta-cloud native WhatsApp shows it as a picture.")
    assert lines[5].startswith(
        "xcally-observed refused CHANNEL_FAILURE Meta does not support GIF. Save a picture as PNG"
    )
    assert len(lines) == 7


def test_what_cannot_be_read_is_told_and_the_others_are_judged_all_the_same(folder: Path) -> None:
    os.mkfifo(folder / "pipe")
    missing = [folder / "missing.pdf", folder, folder / "pipe", folder / "photo.jpg" / "inside"]
    found = run("--json", missing[0], folder / "photo.jpg", *missing[1:])
    assert found.exit_code == 1
    assert set(verdicts(found)) == {"photo.jpg"}
    for path, line in zip(missing, found.stderr.splitlines(), strict=True):
        assert line.startswith(f"{path}: ")
    assert "No such file or directory" in found.stderr
    assert "is no file" in found.stderr


def test_where_nothing_can_be_read_nothing_is_printed(tmp_path: Path) -> None:
    assert run(tmp_path / "missing").stdout == ""
    assert json.loads(run("--json", tmp_path / "missing").stdout) == []


def test_a_name_does_nothing_to_the_terminal(folder: Path) -> None:
    path = folder / "a\x1b[31m\u202eb[red].jpg"
    path.write_bytes((folder / "photo.jpg").read_bytes())
    found = run(path, folder / "not\nthere")
    assert "a\ufffd[31m\ufffdb[red].jpg " in found.stdout
    assert "not\ufffdthere: " in found.stderr
    assert verdicts(run("--json", path)).keys() == {path.name}


def test_a_name_that_is_no_text_is_no_obstacle(folder: Path) -> None:
    path = Path(os.fsdecode(os.fsencode(folder) + b"/\xff.jpg"))
    path.write_bytes((folder / "photo.jpg").read_bytes())
    assert run(path).exit_code == 0
    assert run("--json", path).exit_code == 0


def test_it_needs_a_file() -> None:
    assert run().exit_code == 2


def test_the_limits_of_the_settings_count(folder: Path, settings_file: Settings) -> None:
    file = folder / "notes.bin"
    for size_bytes, codes in ((1000, {None}), (1001, {"MEDIA_TOO_LARGE"})):
        file.write_bytes(b"\x01" * size_bytes)
        told = run("--json", file, config=settings_file(motion={"max_attachment": "1kB"}))
        assert {verdict["code"] for verdict in verdicts(told)["notes.bin"].values()} == codes
        assert told.stderr == ""


def test_settings_that_are_wrong_are_no_obstacle(folder: Path, settings_file: Settings) -> None:
    wrong = settings_file(motion={"max_attachment": "much"})
    found = run("--json", folder / "photo.jpg", config=wrong)
    assert found.exit_code == 0
    assert found.stderr == f"The settings in {wrong} cannot be used; the default limits count.\n"


def test_the_default_limits_are_those_of_the_settings() -> None:
    limits = default_limits()
    understood: config.Settings = settings()
    assert limits.motion_bytes == understood.motion.max_attachment == 25 * MB
    assert limits.gateway_bytes == understood.attachments.max_bytes == 100 * MB
