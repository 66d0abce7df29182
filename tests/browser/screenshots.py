"""The pictures of both pages in README: `make screenshots` takes them of a sandbox that has played its conversation.

Who takes them again gets the same: a picture is written where it looks otherwise, not where only times have changed.
"""

from __future__ import annotations

import io
import json
import math
import os
import random
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing
from itertools import product
from pathlib import Path

from PIL import Image, ImageChops
from playwright.sync_api import Page

from gateway.paths import SPOOL
from tests.browser import chromium
from tests.browser.played import Played, played, sign_in

FOLDER = Path(__file__).parent.parent.parent / "docs" / "images"
COLOURS = 256
SAME = 0.01  # of all points; times, ids and ports move no more
# One font for all machines, with what they write to each other.
FONTS = """<?xml version="1.0"?><!DOCTYPE fontconfig SYSTEM "fonts.dtd"><fontconfig><dir>/usr/share/fonts</dir>
<match><test name="family"><string>system-ui</string></test>
<edit name="family" mode="assign" binding="strong"><string>Inter</string></edit></match>
<match><test name="family"><string>ui-monospace</string></test>
<edit name="family" mode="assign" binding="strong"><string>DejaVu Sans Mono</string></edit></match>
<match><test name="family"><string>monospace</string></test>
<edit name="family" mode="assign" binding="strong"><string>DejaVu Sans Mono</string></edit></match>
</fontconfig>"""


SIZES = (("desktop", 1280, 1), ("phone", 390, 2))
SCHEMES = ("light", "dark")

# A day as it may be: so many a minute, on the average of its busy hours, and how long Motion is away in it.
RATES = {
    "answers ingress 2xx": 14,
    "answers ingress 4xx": 0.1,
    "answers attachments 2xx": 3,
    "answers attachments 4xx": 0.2,
    "answers outbound 2xx": 5,
    "answers outbound 4xx": 0.3,
    "answers edge 4xx": 0.8,
    "callbacks accepted": 14,
    "sends accepted": 5,
    "sends refused": 0.3,
    "sends rejected": 0.06,
    "verdicts native": 1.4,
    "verdicts link": 0.6,
    "verdicts refused": 0.12,
    "inbound_files kept": 1.6,
    "inbound_files held": 0.05,
}
MINUTES, AWAY, BACK = 1440, 1080, 1104
MOST_AT_ONCE = 38  # deliveries a minute
HOUR = 17  # at which they are taken, by a clock that is set for them

SEEN = "Promise.all([...document.images].map(image => image.decode()))"
LAST_WORDS = "for (const log of document.querySelectorAll('.phone .log, .desk .log')) log.scrollTop = log.scrollHeight"


def main() -> None:
    _set_clock()
    with tempfile.TemporaryDirectory() as folder, played() as sandbox:
        fonts = Path(folder) / "fonts.conf"
        fonts.write_text(FONTS, "utf-8")
        _remember(sandbox)
        with chromium.started(FONTCONFIG_FILE=str(fonts)) as browser:
            for (size, width, density), scheme in product(SIZES, SCHEMES):
                with chromium.opened(browser, color_scheme=scheme, device_scale_factor=density) as page:
                    for name, (show, height) in SHOWN.items():
                        page.set_viewport_size({"width": width, "height": height if size == "desktop" else 780})
                        show(page, sandbox)
                        page.evaluate(SEEN)
                        _keep(page.screenshot(), FOLDER / f"{name}-{size}-{scheme}.png")


def _set_clock() -> None:
    ahead = (HOUR - time.gmtime().tm_hour + 12) % 24 - 12
    os.environ["TZ"] = f"<{ahead:+03}>{-ahead}"
    time.tzset()


def _sandbox(page: Page, sandbox: Played) -> None:
    page.goto(sandbox.page)
    page.evaluate(SEEN)
    page.evaluate(LAST_WORDS)


def _overview(page: Page, sandbox: Played) -> None:
    sign_in(page, sandbox)


def _story(page: Page, sandbox: Played) -> None:
    """That of the newest message: a file that WhatsApp would refuse."""
    page.goto(f"{sandbox.ops}/sends")
    page.get_by_role("table").get_by_role("link").first.click()
    with page.expect_navigation():
        page.get_by_role("button", name="Tell its story").click()


# By its name, and how high it is on a desktop.
SHOWN: dict[str, tuple[Callable[[Page, Played], None], int]] = {
    "sandbox": (_sandbox, 860),
    "overview": (_overview, 1200),
    "story": (_story, 700),
}


def _remember(sandbox: Played) -> None:
    """Give the gateway a day to draw, and doctor's last look."""
    subprocess.run(
        [sys.executable, "-m", "gateway", "--config", sandbox.house.state.config_file, "doctor"],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    spool = Path(sandbox.house.state.folder, "state", SPOOL)
    begun = time.time() - MINUTES * 60
    with closing(sqlite3.connect(spool)) as database, database:
        database.execute("DELETE FROM history")
        for minute, (waited, counts) in enumerate(_day()):
            row = (begun + minute * 60, waited, json.dumps(counts))
            database.execute("INSERT INTO history (at, oldest_seconds, counts) VALUES (?, ?, ?)", row)


def _day() -> Iterator[tuple[float, Counter[str]]]:
    """How long the oldest waits, and what is counted, minute by minute."""
    chance, counts = random.Random(7), Counter[str]()
    for minute in range(MINUTES):
        hour = (HOUR + minute / 60) % 24
        busy = 0.08 + math.sin(math.pi * (hour - 6.5) / 14.5) ** 0.7 if 6.5 < hour < 21 else 0.08
        counts.update(
            {name: math.floor(rate * busy * chance.uniform(0.6, 1.4) + chance.random()) for name, rate in RATES.items()}
        )
        if not AWAY <= minute < BACK:
            behind = counts["callbacks accepted"] - counts["deliveries delivered"]
            counts["deliveries delivered"] += min(behind, MOST_AT_ONCE)
        yield (minute - AWAY) * 60.0 if AWAY <= minute < BACK else chance.uniform(0, 0.8), counts


def _keep(taken: bytes, file: Path) -> None:
    fresh = Image.open(io.BytesIO(taken)).convert("RGB")
    if not (file.exists() and _alike(fresh, Image.open(file).convert("RGB"))):
        fresh.quantize(COLOURS, kmeans=1, dither=Image.Dither.NONE).save(file, optimize=True)
        print(file.relative_to(Path.cwd()))


def _alike(one: Image.Image, other: Image.Image) -> bool:
    if one.size != other.size:
        return False
    differs = ImageChops.difference(one, other).convert("L").point(lambda value: 255 * (value > 48))
    return differs.histogram()[255] <= SAME * one.width * one.height


if __name__ == "__main__":
    main()
