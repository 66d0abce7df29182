"""What watches the gateway: its metrics, and the page that explains them."""

from __future__ import annotations

import re
from pathlib import Path

from gateway.diagnosis import scrape
from gateway.metrics import COUNTER, Measure

ROOT = Path(__file__).parent.parent
PAGE = (ROOT / "docs" / "monitoring.md").read_text("utf-8")


def written(row: Measure) -> str:
    """The name that one types."""
    return row.family + ("_total" if row.kind == COUNTER else "")


def test_the_page_explains_every_metric_with_its_labels_and_no_other() -> None:
    rows = re.findall(r"^\| `(motion_gateway_[a-z_]+)` \| ?(.*?) \| .{15,} \|$", PAGE, re.MULTILINE)
    assert {name: tuple(re.findall("`([a-z]+)`", labels)) for name, labels in rows} == {
        written(row): row.labels for row in scrape.ALL
    }
    assert len(rows) == len(scrape.ALL)
