"""A whole gateway between a simulated Motion with its agents and a simulated Sinch that fetches and reports."""

from __future__ import annotations

import contextlib
import itertools
import json
import socket
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gateway import config, paths
from gateway.config.listeners import SINCH_NAMES, SINCH_NAMES_PORT
from gateway.outbound import record, refusals
from gateway.outbound.record import Sent
from gateway.serving import nginx, nginx_conf, supervisor
from sandbox import agent, attachment, callbacks, certificates, connection, faults, fetching
from sandbox.agent import Agent, Told, Way
from sandbox.callbacks import APP, App, Customer
from sandbox.child import Child
from sandbox.connection import Answer, Request, Route, exchange
from sandbox.conversation.account import KEY, Account, Key
from sandbox.conversation.api import ConversationApi
from sandbox.conversation.ledger import Call
from sandbox.conversation.tokens import Life
from sandbox.listener import Listener
from tests.live.house import ACCOUNT, LOG, PATIENCE_SECONDS, House, family_of, socket_links
from tests.live.private_edge import MOTION, NAME, PORT, furnished, sinch_port
from tests.sinch_samples import origins

PROXY_TOKEN = "planted-proxy-token-of-the-calls"
GATEWAY_KEY = "planted-gateway-key-of-the-calls"
EUROPEAN = Account()
AMERICAN = Account(
    app=App(app_id="01JQ8V4M2Z7T5X9C3N6B1K0DHV", project_id="project-of-the-us", phone="15550100"),
    region="us",
    key=Key(key_id="key-of-the-us", key_secret="planted-secret-of-the-us"),
)

_numbers = itertools.count()


@dataclass
class CallHouse:
    """What a test needs of it. `key`: what Motion was given, of the account in the EU."""

    house: House
    api: ConversationApi
    sinch_port: int
    vaulted: bool
    ca: Path

    @property
    def address(self) -> str:
        return str(self.house.tables["server"]["outbound_address"])

    @property
    def origin(self) -> str:
        """The base URL, but for the region."""
        return f"https://{NAME}:{PORT}"

    def key(self, account: Account = EUROPEAN) -> Key:
        """What Motion was given as its own."""
        return Key(key_id="whatever Motion calls it", key_secret=GATEWAY_KEY) if self.vaulted else account.key

    def way(self, region: str = "eu", *, names: bool = False) -> Way:
        """Motion's way to Sinch, in either form."""
        port = self.sinch_port if names else PORT
        how: dict[str, Any] = {"ca_file": self.ca, "connect_to": (self.address, port), "source_address": MOTION}
        how["timeout_seconds"] = PATIENCE_SECONDS
        return agent.by_sinch_names(region, **how) if names else agent.by_base_url(self.origin, region, **how)

    def agent(self, account: Account = EUROPEAN, *, names: bool = False, basic: bool = False) -> Agent:
        """Somebody at Motion who has not asked for a token yet."""
        way = self.way(account.region, names=names)
        return Agent(way, key=self.key(account), app=account.app, link=self.link, basic=basic)

    def link(self, attachment_id: int) -> str:
        """As Motion builds it."""
        url = self.house.tables["server"]["public_url"]
        return attachment.link(url, attachment_id, token=PROXY_TOKEN)

    def customer(self) -> Customer:
        """One who is new, and has just written."""
        made = callbacks.customer(f"customer {next(_numbers)}")
        for account in self.api.accounts:
            said = {"text_message": {"text": "Hola"}}
            message_id = f"{account.region}-{made.contact_id}"
            self.api.contacts.wrote(made, account, said=said, message_id=message_id, at=self.api.contacts.clock())
        return made

    def route(self, *, host: str = NAME, source: str = MOTION) -> Route:
        """The way to the door by one of its names."""
        port = self.sinch_port if host in SINCH_NAMES.values() else PORT
        url = f"https://{host}:{port}/"
        way: dict[str, Any] = {"connect_to": (self.address, port), "source_address": source}
        return Route(url=url, ca_file=self.ca, timeout_seconds=PATIENCE_SECONDS, **way)

    def ask(self, target: str, *, name: str = NAME, source: str = MOTION, **request: Any) -> Answer:
        """Any request over a connection for that name."""
        return exchange(self.route(host=name, source=source), Request(target=target, **request))

    def calls_of(self, customer: Customer) -> tuple[Call, ...]:
        """The sends to that customer that Sinch heard with their body, whatever became of them."""
        return tuple(call for call in self.api.sends if customer.contact_id.encode() in call.body)

    def sent(self, customer: Customer, *, later_seconds: float = 0) -> Sent:
        """The one row on that customer, as it reads now or so much later."""
        rows = [row for row in self.record(later_seconds=later_seconds) if row.contact_id == customer.contact_id]
        assert len(rows) == 1, rows
        return rows[0]

    def record(self, *, later_seconds: float = 0) -> Sequence[Sent]:
        """Every row, the newest first."""
        with contextlib.closing(self.house.spool()) as spool:
            return record.listed(spool, most=10_000, now=time.time() + later_seconds)

    def wait_for_fate(self, customer: Customer, status: str = "DELIVERED") -> Sent:
        """Wait until that was reported of the message to that customer, and is joined to it."""

        def told() -> Sent | None:
            row = self.sent(customer)
            return row if row.fate and row.fate.status == status else None

        found: Sent = self.house.wait_for(told)
        return found

    def shown(self, name: str) -> dict[str, str]:
        """What `sends show` says, but for its lists."""
        lines = self.house.command("sends", "show", name).splitlines()
        return {line[:16].strip(): line[16:] for line in lines}

    def at_nginx(self, made: socket.socket) -> str:
        """The link of nginx's own end of a connection to the door."""
        ends = f":{PORT:04X}", f":{made.getsockname()[1]:04X}"
        rows = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()]
        open_ = [row for row in rows if row[3] == "01" and row[1].endswith(ends[0]) and row[2].endswith(ends[1])]
        [inode] = [row[9] for row in open_]
        return f"socket:[{inode}]"

    def wait_until_let_go(self, end: str) -> None:
        """Wait until nginx has closed that, and its way to the door before: from here on the door can know."""
        family = family_of(self.house.pid("nginx"))
        self.house.wait_for(lambda: not any(end in socket_links(pid) for pid in family))

    def quiet(self) -> None:
        """Let nothing go wrong any more, nobody wait, and no connection be used again; forget what was heard."""
        self.api.set_fault(faults.DOWN)
        self.api.set_fault(faults.NONE)
        self.api.forget()


class Trap:
    """Listens, and keeps what it hears."""

    def __init__(self) -> None:
        self.heard: list[bytes] = []
        self._listener = Listener(self._hear)
        self._listener.open()
        self.place = "{}:{}".format(*self._listener.address)

    def close(self) -> None:
        self._listener.release()

    def _hear(self, connection: socket.socket) -> None:
        connection.settimeout(PATIENCE_SECONDS)
        self.heard.append(connection.recv(65536))


@contextlib.contextmanager
def with_token(calls: CallHouse) -> Iterator[CallHouse]:
    """Have an access token in hand and nothing in the way; afterwards nothing hangs any more."""
    calls.api.tokens.life = Life()
    calls.quiet()
    agent, customer = calls.agent(basic=True), calls.customer()
    calls.house.wait_for(lambda: agent.reply(customer.contact_id, "Hola").accepted)
    calls.api.forget()
    yield calls
    calls.house.motion.release()
    calls.quiet()


def text(words: str = "Buenos días") -> dict[str, Any]:
    return {"text_message": {"text": words}}


def body(customer: Customer, message: dict[str, Any] | None = None, *, app: App = APP, **more: Any) -> dict[str, Any]:
    """That of a send."""
    recipient = {"contact_id": customer.contact_id}
    return {"app_id": app.app_id, "recipient": recipient, "message": message or text(), **more}


def sends_at(app: App = APP) -> str:
    """Where messages are sent, below the region."""
    return f"/v1/projects/{app.project_id}/messages:send"


def asked(calls: CallHouse, customer: Customer, message: dict[str, Any]) -> Request:
    """A send by Motion."""
    headers = (("authorization", calls.agent(basic=True)._basic), ("content-type", "application/json"))
    return Request(target=f"/eu{sends_at()}", headers=headers, body=json.dumps(body(customer, message)).encode())


def ask_and_go(calls: CallHouse, request: Request, *, once: Callable[[], object]) -> None:
    """Ask, and close the connection once something is so; returns when the door can know of it."""
    with contextlib.closing(connection._connected(calls.route())) as made:
        end = calls.at_nginx(made)
        made.sendall(connection._spelled(calls.route(), request))
        calls.house.wait_for(once)
    calls.wait_until_let_go(end)


def assert_refused(answer: Answer | Told, code: str) -> dict[str, Any]:
    """A refusal of ours in Sinch's form, whoever gave it; returns its error."""
    answer = answer.answer if isinstance(answer, Told) else answer
    row = refusals.rows()[code]
    assert (answer.status, answer.header(refusals.HEADER)) == (row.status, code), (answer, answer.body)
    error: dict[str, Any] = json.loads(answer.body)["error"]
    assert (error["code"], error["status"]) == (row.status, refusals.STATUSES[row.status])
    assert error["message"].startswith(f"{code}: ")
    assert (error["details"][0]["reason"], error["details"][0]["domain"]) == (code, refusals.DOMAIN)
    assert answer.header("content-type") == "application/json"
    assert (answer.header("retry-after") is not None) == (row.status in refusals.COME_AGAIN)
    return error


def at_once(number: int, each: Any) -> list[Any]:
    """What `each` returns for 0, 1, 2 …, all called at the same time."""
    with ThreadPoolExecutor(number) as pool:
        return list(pool.map(each, range(number)))


@contextlib.contextmanager
def opened(
    *, vaulted: bool = False, sinch_names: bool = False, started: bool = True, **tables: dict[str, Any]
) -> Iterator[CallHouse]:
    """Such a gateway for an account in each region, with these tables merged over the tests' own."""
    with contextlib.ExitStack() as stack:
        house = stack.enter_context(furnished(sinch_names=sinch_names))
        port = stack.enter_context(sinch_port(house)) if sinch_names else SINCH_NAMES_PORT
        (house.folder / "sinch").mkdir()
        files = certificates.issue(house.folder / "sinch", "localhost", "127.0.0.1")
        api = stack.enter_context(ConversationApi(EUROPEAN, AMERICAN, tls=files.context()))
        _furnish(house, api, files.ca, tables, vaulted=vaulted)
        api.reports.sinch = house.sinch()
        way = ("127.0.0.1", house.public_port)
        api.reports.fetcher = fetching.Fetcher(ca_file=house.folder / "ca.pem", connect_to=way)
        if started:
            _start(house, port)
        yield CallHouse(house, api, port, vaulted, house.folder / "private-ca" / "ca.pem")


def _furnish(house: House, api: ConversationApi, ca: Path, tables: dict[str, dict[str, Any]], *, vaulted: bool) -> None:
    own: dict[str, Any] = {
        "sinch": origins(api) | {"ca_file": str(ca)},
        "attachments": house.tables["attachments"] | {"proxy_token": PROXY_TOKEN},
        "outbound": {"vault_credentials": True, "gateway_key": GATEWAY_KEY} if vaulted else {},
        "limits": {"fetches_per_attachment": "off", "calls_per_project": "off"},
    }
    for name in {**own, **tables}:
        house.tables[name] = house.tables.get(name, {}) | own.get(name, {}) | tables.get(name, {})
    american = ACCOUNT | {"connector_id": 8, "name": "US", "region": "us", "webhook_secrets": ["another secret"]}
    american |= {"project_id": AMERICAN.app.project_id, "app_id": AMERICAN.app.app_id}
    house.tables["account"] = [
        account | ({"key_id": key.key_id, "key_secret": key.key_secret} if vaulted else {})
        for account, key in ((ACCOUNT, KEY), (american, AMERICAN.key))
    ]


def _start(house: House, port: int) -> None:
    if port == SINCH_NAMES_PORT:
        house.start()
        return
    # `serve` would have nginx try the port that is closed to us.
    house.write_settings()
    house.command("migrate")
    settings = config.load(house.config, {})
    paths.prepare(settings)
    path = nginx_conf.write(settings)
    path.write_text(path.read_text("utf-8").replace(f":{SINCH_NAMES_PORT} ", f":{port} "), "utf-8")
    for part in supervisor.parts(settings, house.config):
        log = "nginx.log" if part.name == nginx.NAME else LOG
        house.children.append(Child(part.command, house.folder / log))
    house.wait_until_ready()
