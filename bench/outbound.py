"""Measures Motion's calls side by side: to the simulated Sinch by themselves, and through the gateway.

    python -m bench.outbound [--seconds N] [--rounds N] [--json]

The simulated Sinch checks each message as the vendor does; it is written in Python, and takes as much of the machine
as the gateway. Ends with status 1 if a call was not answered 200 or a message reached Sinch twice, never because of a
time.
"""

from __future__ import annotations

import base64
import contextlib
import dataclasses
import json
import ssl
import sys
from collections.abc import Iterator, Sequence
from statistics import median

from rich.console import Console

from bench import files, load, memory, report, site
from bench.files import Files
from bench.load import Load
from bench.memory import Memory
from bench.site import Site
from sandbox.callbacks import ANA
from sandbox.conversation.account import Account, Key
from sandbox.conversation.api import ConversationApi
from sandbox.listener import reserve
from sandbox.setup import Vendor

CONNECTIONS = (1, 16)  # one agent, and as many as answer at the same time in a large contact centre
FILE_BYTES = 200_000
NEW_FILES = 60
NEW_SECONDS = 6.0  # more than they take
KEY = Key()
BASIC = "Basic " + base64.b64encode(f"{KEY.key_id}:{KEY.key_secret}".encode()).decode()


@dataclasses.dataclass(frozen=True, kw_only=True)
class Round:
    """One right after the other: texts to Sinch, texts through the gateway, a known file, and new ones."""

    connections: int
    direct: Load
    text: Load
    known: Load
    new: Load


@dataclasses.dataclass
class Bench:
    gateway: Site
    files: Files
    api: ConversationApi
    seconds: float
    next_id: int = 1
    wrong: list[str] = dataclasses.field(default_factory=list)

    def round(self, connections: int) -> Round:
        [known] = self._made(1)
        self._sent([self._media(known)], connections=1, once=True)  # from now on it is known
        fresh = [self._media(number) for number in self._made(NEW_FILES)]
        text = [self._text()]
        return Round(
            connections=connections,
            direct=self._sent(text, connections=connections, direct=True),
            text=self._sent(text, connections=connections),
            known=self._sent([self._media(known)], connections=connections),
            new=self._sent(fresh, connections=connections, once=True),
        )

    def _sent(
        self, bodies: Sequence[dict[str, object]], *, connections: int, once: bool = False, direct: bool = False
    ) -> Load:
        state = self.gateway.setup.state
        url = self.api.eu.url if direct else state.outbound_url
        target = f"{'' if direct else '/eu'}/v1/projects/{state.project_id}/messages:send"
        path = self.gateway.folder / "calls"
        path.write_bytes(b"".join(self._letter(url, target, body) for body in bodies))
        before = len(self.api.sends)
        address = "127.0.0.1" if direct else self.gateway.settings.server.outbound_address
        seconds = NEW_SECONDS if once else self.seconds
        found = load.finish(
            load.start(url, path, seconds=seconds, cycle=not once, connections=connections, address=address)
        )
        heard = len(self.api.sends) - before
        if found.refused or found.broken or heard != found.answered:
            self.wrong.append(f"{target}: {found}, and Sinch heard {heard}")
        return found

    def _letter(self, url: str, target: str, body: dict[str, object]) -> bytes:
        said = json.dumps(body).encode()
        host = url.partition("://")[2]
        head = f"POST {target} HTTP/1.1\r\nHost: {host}\r\nContent-Type: application/json\r\n"
        head += f"Authorization: {BASIC}\r\nContent-Length: {len(said)}\r\n\r\n"
        whole = head.encode() + said
        return b"%8d" % len(whole) + whole

    def _text(self) -> dict[str, object]:
        return self._body({"text_message": {"text": "Buongiorno, come possiamo aiutarla?"}})

    def _media(self, number: int) -> dict[str, object]:
        return self._body({"media_message": {"url": self.gateway.setup.state.link(number)}})

    def _body(self, message: dict[str, object]) -> dict[str, object]:
        state = self.gateway.setup.state
        return {"app_id": state.app_id, "recipient": {"contact_id": ANA.contact_id}, "message": message}

    def _made(self, count: int) -> list[int]:
        numbers = [*range(self.next_id, self.next_id + count)]
        self.next_id += count
        self.files.make(numbers, size_bytes=FILE_BYTES)
        return numbers


@contextlib.contextmanager
def _running() -> Iterator[tuple[Site, Files, ConversationApi]]:
    with contextlib.ExitStack() as stack:
        port, motion_port = (stack.enter_context(reserve()).getsockname()[1] for _ in range(2))
        tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)  # its certificate comes with the site
        api = ConversationApi(Account(key=KEY), tls=tls)
        urls = {origin.name: origin.url for origin in api.origins.values()}
        gateway = stack.enter_context(
            site.built(motion_port=motion_port, sinch=Vendor(**urls, control_url="", key=KEY))
        )
        tls.load_cert_chain(gateway.setup.files.certificate, gateway.setup.files.private_key)
        stack.enter_context(api)
        api.wrote(ANA)
        served = stack.enter_context(files.served(gateway, port=port, motion_port=motion_port))
        stack.enter_context(gateway.running("ops", "outbound", "ingress", "nginx"))
        gateway.wait_until_open()
        yield gateway, served, api


def main() -> int:
    options = report.options("bench.outbound", __doc__ or "", seconds=3.0, rounds=3)
    with _running() as (gateway, served, api):
        bench = Bench(gateway, served, api, options.seconds)
        rounds = [bench.round(connections) for _ in range(options.rounds) for connections in CONNECTIONS]
        memories = memory.of(gateway.folder)
    if options.json:
        plain = {"rounds": rounds, "memory": memories, "wrong": bench.wrong}
        print(json.dumps(plain, indent=2, default=dataclasses.asdict))  # noqa: T201 - it is the answer
    else:
        _show(rounds, memories, bench.wrong, Console())
    return 1 if bench.wrong else 0


def _show(rounds: Sequence[Round], memories: Sequence[Memory], wrong: Sequence[str], console: Console) -> None:
    table = report.table(
        "Messages, median of the rounds", "at once", "what", "calls/s", "p50 ms", "p99 ms", "p50 more", "of direct"
    )
    kinds = {
        "direct": "direct",
        "gateway": "text",
        "… known file": "known",
        "… new files": "new",
    }
    for connections in CONNECTIONS:
        turns = [turn for turn in rounds if turn.connections == connections]
        for name, field in kinds.items():
            loads = [getattr(turn, field) for turn in turns]
            more = median(getattr(turn, field).p50_ms - turn.direct.p50_ms for turn in turns)
            share = median(getattr(turn, field).per_second / turn.direct.per_second for turn in turns)
            table.add_row(
                str(connections),
                name,
                f"{median(found.per_second for found in loads):.0f}",
                f"{median(found.p50_ms for found in loads):.1f}",
                f"{median(found.p99_ms for found in loads):.1f}",
                f"{more:.1f}",
                f"{share:.2f}",
            )
    console.print(table)
    console.print(report.memory_table(memories, title="Memory afterwards, MiB"))
    console.print("\n".join(wrong) or "Each message reached Sinch once.")


if __name__ == "__main__":
    sys.exit(main())
