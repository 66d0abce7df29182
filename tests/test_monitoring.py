"""What watches the gateway: its metrics, and the page that explains them."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from gateway.cli.manual import commands
from gateway.diagnosis import scrape
from gateway.metrics import COUNTER, HISTOGRAM, Measure
from tests.test_deploy import run, with_packages
from tests.together import together

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


RULES = ROOT / "deploy" / "prometheus" / "alerts.yml"
TRIED = sorted(RULES.parent.glob("*_test.yml"))
BOARD = json.loads((ROOT / "deploy" / "grafana" / "motion-gateway.json").read_text("utf-8"))
SAMPLES = {
    written(row) + end
    for row in scrape.ALL
    for end in (("_bucket", "_count", "_sum") if row.kind == HISTOGRAM else ("",))
}
NAMED = re.compile(r"\bmotion_gateway_[a-z_]+")


def alerts() -> dict[str, str]:
    """Each alert, as it is written."""
    parts = re.split(r"^ +- alert: (\w+)$", RULES.read_text("utf-8"), flags=re.MULTILINE)[1:]
    return dict(zip(parts[::2], parts[1::2], strict=True))


def asked_for(text: str) -> dict[str, set[str]]:
    """The metrics that expressions name, with the labels by which they choose."""
    found: dict[str, set[str]] = {}
    for name, chosen in re.findall(r"\b(motion_gateway_[a-z_]+)(?:\{(.*?)\})?", text):
        found.setdefault(name, set()).update(re.findall(r'(\w+)(?:=~|!~|!=|=)"', chosen))
    return found


def expressions() -> list[str]:
    return [target["expr"] for panel in BOARD["panels"] for target in panel.get("targets", ())]


@pytest.mark.parametrize("text", [RULES.read_text("utf-8"), "\n".join(expressions())], ids=["alerts", "dashboard"])
def test_whatever_is_asked_for_is_told(text: str) -> None:
    for name, labels in asked_for(text).items():
        row = next(
            row
            for row in scrape.ALL
            if name in SAMPLES
            and name.startswith(row.family)
            and name.removeprefix(row.family) in ("", "_total", "_bucket")
        )
        assert labels <= {*row.labels, "instance", "job", "le"}, name


def test_the_dashboard_shows_every_metric() -> None:
    shown = {name.removesuffix("_bucket") for name in asked_for("\n".join(expressions()))}
    assert shown == {written(row) for row in scrape.ALL}


@together("alert", alerts())
def test_an_alert_says_what_to_type_and_is_explained_and_tried(alert: str) -> None:
    text, tried = alerts()[alert], "".join(path.read_text("utf-8") for path in TRIED)
    [typed] = re.findall(r'^ +command: "(.*)"$', text, re.MULTILINE)
    assert typed.partition(" --")[0] in {words for words, _ in commands()}
    assert re.search(r"severity: (page|ticket)\}", text)
    row = re.search(rf"^\| `{alert}` \| .*`{typed}` \|$", PAGE, re.MULTILINE)
    assert row
    assert f"alertname: {alert}, exp_alerts: []" in tried
    assert re.search(rf"alertname: {alert}\n +exp_alerts:\n +- exp_labels", tried)


@with_packages
def test_prometheus_takes_the_rules_and_each_fires_when_it_should_and_else_not() -> None:
    run("promtool", "check", "rules", RULES)
    run("promtool", "test", "rules", *TRIED)


@with_packages
def test_prometheus_understands_every_expression_of_the_dashboard(tmp_path: Path) -> None:
    rules = tmp_path / "rules.yml"
    asked = [expression.replace("$__rate_interval", "5m").replace("$instance", ".*") for expression in expressions()]
    written_down = [f"  - {{record: 'panel{number}', expr: {json.dumps(one)}}}\n" for number, one in enumerate(asked)]
    rules.write_text("groups:\n- name: board\n  rules:\n" + "".join(written_down), "utf-8")
    run("promtool", "check", "rules", rules)
