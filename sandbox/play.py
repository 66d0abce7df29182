"""Starts a real gateway between a simulated Sinch and a simulated Motion, plays a conversation, and shows each hop."""

from __future__ import annotations

import contextlib
import secrets
import signal
import ssl
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from rich.console import Console

from sandbox import callbacks, child, control, setup
from sandbox.archive import Archive
from sandbox.callbacks import Callback
from sandbox.conversation import control as api_controls
from sandbox.conversation.account import Account, Key
from sandbox.conversation.api import ConversationApi
from sandbox.conversation.plants import Field
from sandbox.house import Gateway, House
from sandbox.journal import Desk, Journal
from sandbox.motion import Motion
from sandbox.retries import Retries
from sandbox.scenarios import answer, attachment, callback, customer_file
from sandbox.scenarios.answer import AnswerScenario
from sandbox.scenarios.attachment import AttachmentScenario
from sandbox.scenarios.customer_file import CustomerFileScenario
from sandbox.setup import Setup, Vendor

_BETWEEN_LOOKS_SECONDS = 1
_PATIENCE = Retries(last_wait_seconds=80, speed=20)  # some 8 s in all

Command = Callable[[Path], list[str]]
Start = Callable[[Setup], contextlib.AbstractContextManager[Gateway]]

_NEXT = Path(__file__).parent / "data" / "next.txt"


def play(*, once: bool, console: Console, command: Command = child.serve_command) -> int:
    """Play the conversation, then stay until Ctrl-C unless `once`; returns the exit status.

    `command` makes what is started out of the path of its settings.
    """
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # Both ways to end it take the same way out.
    console.print("[bold]Sandbox[/]: Sinch and Motion are simulated, the gateway between them is the real one.")
    try:
        with running(console, alone(command)) as house:
            succeeded = [scene(house, console) for scene in SCENES]
            if not once:
                stay(house, console, _NEXT.read_text("utf-8"))
            return 0 if all(succeeded) else 1
    except KeyboardInterrupt:
        console.print("Interrupted.")
        return 130
    except child.ChildError as error:
        console.print(f"✗ {error}", markup=False, highlight=False, soft_wrap=True)
        return 1


def alone(command: Command = child.serve_command) -> Start:
    """What starts one gateway, out of the path of its settings."""
    return lambda built: child.running(command(built.state.config_file), built.state.log_file)


@contextlib.contextmanager
def running(console: Console, start: Start) -> Iterator[House]:
    """A sandbox that is ready, until the end. Raises ChildError where its gateway is not."""
    with contextlib.ExitStack() as stack:
        motion, journal = stack.enter_context(Motion()), Journal()
        motion_control = stack.enter_context(control.of_motion(motion, journal.tries))
        key = Key(key_secret=secrets.token_urlsafe(24))
        tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)  # Its certificate comes with the setup.
        api = ConversationApi(Account(key=key), tls=tls)
        field = Field(api)
        api_control = stack.enter_context(api_controls.of_api(api, field, journal.posts))
        urls = {origin.name: origin.url for origin in api.origins.values()}
        vendor = Vendor(**urls, media=api.media.url, control_url=api_control.url, key=key)
        built = stack.enter_context(setup.built(motion_url=motion.url, control_url=motion_control.url, sinch=vendor))
        tls.load_cert_chain(built.files.certificate, built.files.private_key)
        state = built.state
        archive = motion.archive = Archive(state.attachments, credentials=built.credentials)
        motion.inbox = stack.enter_context(state.inbox())
        motion.inbox.unplugged = True
        field.settle(target=state.webhook_url, secret=state.secret, motion=state.motion_notify_url)
        sinch = api.reports.sinch = replace(state.sinch(), retries=_PATIENCE, told=journal.posts.heard)
        api.reports.fetcher = state.fetcher("head")
        began = time.monotonic()
        with shown("Starting the gateway: its spool, the doors, nginx and the courier.", console):
            gateway = stack.enter_context(start(built))
            stack.enter_context(api)
            stack.callback(_end, console)
            gateway.wait_until_ready(state.ready_route())
        console.print(f"The gateway is ready after {time.monotonic() - began:.1f} s.")
        yield House(
            motion=motion,
            archive=archive,
            api=api,
            field=field,
            setup=built,
            gateway=gateway,
            journal=journal,
            sinch=sinch,
            agent=Desk(state.agent(), journal.tries),
        )


def shown(what: str, console: Console) -> contextlib.AbstractContextManager[object]:
    """Show that it is being done: on a terminal as long as it takes, by a line where there is none."""
    if console.is_interactive:
        return console.status(what)
    console.print(what)
    return contextlib.nullcontext()


def _end(console: Console) -> None:
    for interruption in (signal.SIGINT, signal.SIGTERM):
        signal.signal(interruption, signal.SIG_IGN)  # A second Ctrl-C would leave processes and files behind.
    console.print("Stopping the gateway and removing the folder …")


def _converse(house: House, console: Console) -> bool:
    state = house.state
    receipts = [house.sinch.send(callback) for callback in _conversation(house)]
    results = callback.follow(receipts, house.motion, connector_id=state.connector_id)
    console.print(callback.table(results))
    console.print("As sent: every byte of the body, the query, the content type and the four signature headers, once.")
    return not any(result.problems for result in results)


def _attach(house: House, console: Console) -> bool:
    state = house.state
    results = AttachmentScenario(
        motion=house.motion,
        archive=house.archive,
        fetcher=state.fetcher("head"),
        sinch=house.sinch,
        app=state.app,
        connector_id=state.connector_id,
        link=state.link,
    ).run()
    console.print(attachment.table(results))
    console.print("Each must end as XCALLY's manual says, and its report arrive as a callback.")
    return _all_fine(((result.sample.name, result.problems) for result in results), console)


def _answer(house: House, console: Console) -> bool:
    state = house.state
    results = AnswerScenario(
        motion=house.motion,
        archive=house.archive,
        api=house.api,
        agent=house.agent,
        connector_id=state.connector_id,
        secret=state.proxy_token,
    ).run()
    console.print(answer.table(results))
    console.print("A customer asked, and an agent answered. What cannot go is refused before Sinch hears of it:")
    for result in results:
        if result.told.reason:
            console.print(f"  {result.errand.name}: {result.told.message}", markup=False, highlight=False)
    return _all_fine(((result.errand.name, result.problems) for result in results), console)


def _receive(house: House, console: Console) -> bool:
    if house.motion.inbox is None:
        return True
    results = CustomerFileScenario(
        motion=house.motion,
        inbox=house.motion.inbox,
        api=house.api,
        connector_id=house.state.connector_id,
        secret=house.state.secret,
    ).run()
    console.print(customer_file.table(results))
    console.print("But for the link every byte of the callback is as sent, and what Motion got is signed.")
    return _all_fine(((result.sample.name, result.problems) for result in results), console)


def _hears_nothing_else(house: House, console: Console) -> bool:
    heard = {"Motion": house.motion.unexpected, "Sinch": house.api.unexpected + house.api.media.unexpected}
    return _all_fine(((f"{who} heard what nobody announced", about) for who, about in heard.items()), console)


def _all_fine(plays: Iterable[tuple[str, Sequence[str]]], console: Console) -> bool:
    """Print the problems of each play, by its name; returns whether there are none."""
    found = [f"✗ {name}: {problem}" for name, problems in plays for problem in problems]
    for line in found:
        console.print(line, markup=False, highlight=False)
    return not found


def _conversation(house: House) -> list[Callback]:
    words, app = house.api.wrote(words="Hola, ¿me ayudan? 👋"), house.state.app
    return [words, callbacks.reaction("❤️", app=app), callbacks.report("DELIVERED", app=app)]


SCENES = (_converse, _attach, _answer, _receive, _hears_nothing_else)


def stay(house: House, console: Console, next_steps: str, **known: object) -> None:
    """Say what can be done, show the page, and stay until Ctrl-C; `known` is what the words need beside the state."""
    from sandbox.page import server  # The other commands do without it, and are quick.

    state = house.state
    known |= {
        "state": state,
        "state_file": house.setup.state_file,
        "link": state.link(min(house.archive.names(), default=101)),
    }
    hint = next_steps.rstrip().format(host=state.public_url.removeprefix("https://"), **known)
    console.print(hint, markup=False, highlight=False, soft_wrap=True)
    with contextlib.suppress(KeyboardInterrupt), server.serving(house) as url:
        console.print(f"\n[bold]Look at it: {url}[/]", highlight=False, soft_wrap=True)
        server.open_browser(url)
        while house.gateway.exit_status is None:
            threading.Event().wait(_BETWEEN_LOOKS_SECONDS)
        status = house.gateway.exit_status
        raise child.ChildError(f"the gateway ended by itself with status {status}\n{house.gateway.tail()}")
