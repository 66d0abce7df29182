"""What is planted must not come out: no secret, token, signature, body or phone number in any output."""

from __future__ import annotations

import dataclasses
import time

from sandbox import callbacks, faults, signing
from sandbox.callbacks import App
from tests.live.house import ACCOUNT, House, opened
from tests.live.test_answers import letter, signed, without

SECRET = "planted-webhook-secret"
TOKEN = "planted-receive-token"
STRAY = "planted-stray-token"
PASSWORD = "planted-ops-password"
WORDS = "planted words of a customer"
CUSTOMER = callbacks.customer("planted")

TABLES = {
    "account": [{**ACCOUNT, "webhook_secrets": [SECRET], "receive_token": TOKEN, "phone": "+390299998888"}],
    "ops": {"username": "operator", "password": PASSWORD},
    "limits": {"failed_signatures_per_address": "20/minute"},
}


def play(house: House) -> list[str]:
    """Every way a request can go; returns all signatures that were used."""
    sinch = house.sinch(secret=SECRET, query=f"?token={TOKEN}")
    dispatch = callbacks.text(WORDS, by=CUSTOMER, app=App(dispatch=True))
    one = sinch.prepare(callbacks.text(WORDS, by=CUSTOMER))
    letters = [
        one,
        one,
        sinch.prepare(dispatch),
        letter(sinch, signed(sinch, WORDS).body, nonce=one.nonce),
        letter(sinch, one.body + b"\n"),
        letter(sinch, WORDS.encode()),
        letter(sinch, signed(sinch, WORDS).body, timestamp=int(time.time()) - 200_000),
        letter(sinch, signed(sinch, WORDS).body, timestamp=int(time.time()) + 1_000),
        letter(sinch, WORDS.encode() * 100_000),
        without(one, signing.NONCE_HEADER),
        dataclasses.replace(one, body=one.body + b"x"),
    ]
    for one_letter in letters:
        sinch.post(one_letter)
    for variant in (house.sinch(secret=SECRET), house.sinch(secret=STRAY, query=f"?token={STRAY}")):
        for _ in range(25):
            variant.post(variant.prepare(callbacks.text(WORDS, by=CUSTOMER)))
    return [value for one_letter in letters for name, value in one_letter.headers if name == signing.SIGNATURE_HEADER]


def wander(house: House) -> None:
    """Requests that nginx refuses itself, with secrets wherever one can stand."""
    for target in (f"/media/{STRAY}/x.jpg", f"/?token={STRAY}", f"/{STRAY}%zz", f"/{STRAY}/../..", f"{STRAY}"):
        for method in ("GET", "POST", STRAY):
            house.ask(target, method=method, headers=(("referer", STRAY), ("cookie", STRAY)))
    house.ask("/", host=STRAY)
    house.ask("/", headers=((f"{STRAY} x", "1"), ("x-long", STRAY * 2000)))


def trouble(house: House) -> None:
    """Motion goes in every way it can, a part dies, and the door behind nginx is away."""
    sinch = house.sinch(secret=SECRET, query=f"?token={TOKEN}")
    for bad in (faults.status(500), faults.status(404), faults.reset(), faults.GARBAGE, faults.CUT, faults.DOWN):
        house.motion.set_fault(bad)
        count = len(house.decisions("courier", event="delivery"))
        assert sinch.send(callbacks.text(WORDS, by=callbacks.customer(bad.name))).status == 200
        house.wait_for(lambda count=count: len(house.decisions("courier", event="delivery")) > count)
    house.kill("ingress")
    sinch.send(callbacks.text(WORDS))
    house.wait_until_ready()
    house.motion.set_fault(faults.NONE)
    house.settle()


def ask(house: House) -> list[str]:
    """What every command prints."""
    commands = (
        ("config", "check"),
        ("config", "show"),
        ("events", "list"),
        ("events", "show", "1"),
        ("events", "show", "2"),
        ("events", "replay", "1"),
        ("migrate",),
        ("nginx", "render", "--to", str(house.folder / "rendered")),
    )
    printed = [house.command(*command) for command in commands]
    printed.append(house.command("events", "show", "999", status=2))
    printed.append(house.command("events", "erase", "--contact", f"+{CUSTOMER.phone}", "--yes"))
    house.tables["account"].append({**house.tables["account"][0], "connector_id": "eight"})
    house.tables["ops"]["passwort"] = PASSWORD
    house.write_settings()
    printed.append(house.command("config", "check", status=2))
    return printed


def test_nothing_secret_or_personal_comes_out_anywhere() -> None:
    with opened(**TABLES) as house:
        signatures = play(house)
        wander(house)
        assert house.ops("/nowhere").status == 404
        trouble(house)
        printed = ask(house)
        house.stop()
        output = "\n".join([house.log, *printed, (house.folder / "rendered" / "nginx.conf").read_text()])
    assert len(house_lines := output.splitlines()) > 100, house_lines
    planted = [SECRET, TOKEN, STRAY, PASSWORD, WORDS, CUSTOMER.phone, "390299998888", *signatures]
    found = [secret for secret in planted if secret in output]
    assert not found, [line for line in output.splitlines() if any(secret in line for secret in found)][:5]
