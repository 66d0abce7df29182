"""Measures another receiver of webhooks behind our edge: the same nginx, the same TLS, the same callbacks as the stub.

    python -m bench.peer http://127.0.0.1:9000/hooks/sinch [--seconds N] [--rounds N] [--json]

The peer runs already, and takes a POST at that URL; its answers with 2xx count. It is told what our door would be
told. Ends with status 1 if it answered nothing.
"""

from __future__ import annotations

import contextlib
import json
import re
import sys
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from statistics import median
from urllib.parse import urlsplit

from rich.console import Console

from bench import letters, load, report, site
from bench.load import Load
from bench.site import Site
from gateway import paths
from sandbox.listener import reserve

FASTEST = 40_000  # callbacks a second


@dataclass(frozen=True, kw_only=True)
class Turn:
    """The stub and the peer, one right after the other."""

    stub: Load
    peer: Load

    @property
    def ratio(self) -> float:
        return self.peer.per_second / self.stub.per_second


@contextlib.contextmanager
def edge(url: str, *, motion_port: int) -> Iterator[Site]:
    """Our nginx, before what is at that URL instead of the first door."""
    parts = urlsplit(url)
    with site.built(motion_port=motion_port) as made:
        path = paths.nginx_conf(made.settings)
        door = re.escape(f"unix:{paths.socket(made.settings, 'ingress')}")
        told = re.sub(f'server "?{door}"? ', f"server {parts.netloc} ", path.read_text("utf-8"))
        passing = "proxy_pass http://motion_gateway_ingress;"
        path.write_text(told.replace(passing, f"rewrite ^ {parts.path or '/'} break;\n{passing}"), "utf-8")
        with made.running("nginx"):
            yield made


def _turn(stub: Site, peer: Site, *, seconds: float) -> Turn:
    made = letters.written(stub.folder / "letters", letters.genuine(stub.sinch, int(FASTEST / 10 * seconds)))
    sides = [load.finish(load.start(each.webhook_url, made, seconds=seconds, cycle=True)) for each in (stub, peer)]
    return Turn(stub=sides[0], peer=sides[1])


def main() -> int:
    parser = report.parser("bench.peer", __doc__ or "", seconds=3.0, rounds=4)
    parser.add_argument("url", help="where the peer takes a POST")
    options = parser.parse_args()
    with contextlib.ExitStack() as stack:
        port = stack.enter_context(reserve()).getsockname()[1]
        twin = stack.enter_context(site.built(motion_port=port))
        stack.enter_context(site.stub(twin, motion_port=port))
        stack.enter_context(twin.running("nginx"))
        before = stack.enter_context(edge(options.url, motion_port=port))
        for each in (twin, before):
            each.wait_until_open(answers=range(100, 600))
        turns = [_turn(twin, before, seconds=options.seconds) for _ in range(options.rounds)]
    if options.json:
        plain = [asdict(turn) | {"ratio": turn.ratio} for turn in turns]
        print(json.dumps(plain, indent=2))  # noqa: T201 - it is the answer
    else:
        made = report.table("Behind the same edge", "round", "stub/s", "peer/s", "of the stub", "p99 ms", "refused")
        for number, turn in enumerate(turns, 1):
            rates = (f"{turn.stub.per_second:.0f}", f"{turn.peer.per_second:.0f}", f"{turn.ratio:.4f}")
            made.add_row(str(number), *rates, f"{turn.peer.p99_ms:.1f}", str(turn.peer.refused))
        Console().print(made, f"Median: {median(turn.ratio for turn in turns):.4f} of the stub")
    return 0 if any(turn.peer.answered for turn in turns) else 1


if __name__ == "__main__":
    sys.exit(main())
