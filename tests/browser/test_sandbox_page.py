"""The page of `make run` in a real browser: a message goes round, and whatever goes wrong is told where it is seen."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser import axe, chromium

pytestmark = pytest.mark.live

ROOT = Path(__file__).parent.parent.parent
COMMAND = (sys.executable, "-u", "-m", "sandbox")
ADDRESS = re.compile(r"(/\S+/sandbox\.json)\..*(http://127\.0\.0\.1:\d+/)\n", re.DOTALL)
HOSTILE = "<img src=x onerror=alert(1)> Größe 見積 مرحبا"


@dataclass(frozen=True)
class Sandbox:
    """A running one: its page, and the file by which commands find it."""

    url: str
    state_file: str

    def run(self, *words: str) -> None:
        subprocess.run([*COMMAND, *words, "--state", self.state_file], cwd=ROOT, check=True)


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    """What `make run` starts where there is no desktop."""
    environment = {name: value for name, value in os.environ.items() if "DISPLAY" not in name}
    with subprocess.Popen([*COMMAND, "play"], cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True) as process:
        try:
            shown = ""
            while (found := ADDRESS.search(shown)) is None:
                line = process.stdout.readline()
                assert line, shown
                shown += line
            yield Sandbox(found[2], found[1])
        finally:
            process.send_signal(signal.SIGTERM)
            process.communicate()


@pytest.fixture
def page(browser: Browser, sandbox: Sandbox) -> Iterator[Page]:
    """The page, all of it as it should be; each test speaks with a customer of its own."""
    with chromium.opened(browser) as page:
        page.goto(sandbox.url)
        yield page
        page.goto(sandbox.url)
        page.get_by_role("button", name="Put everything right").click()
        expect(page.locator("#line")).to_contain_text("Take Motion down")


def meet(page: Page, sandbox: Sandbox, name: str) -> None:
    page.goto(f"{sandbox.url}?with={name}")
    write(page, "Hola")
    expect(page.locator("#desk-log")).to_contain_text("Hola")


def write(page: Page, words: str) -> None:
    page.get_by_role("textbox", name="Write as").fill(words)
    page.get_by_role("textbox", name="Write as").press("Enter")
    expect(page.locator("#phone-log .mine").last).to_contain_text(words)


def attach(page: Page, name: str) -> None:
    if page.locator("#drawer").get_attribute("open") is None:
        page.get_by_text("Attach a file").click()
    page.get_by_role("button", name=name, exact=True).click()


def test_a_message_goes_round_and_is_shown_as_text(page: Page, sandbox: Sandbox) -> None:
    meet(page, sandbox, "rounds")
    write(page, HOSTILE)
    expect(page.locator("#desk-log")).to_contain_text(HOSTILE)
    expect(page.locator("#ways > li").first).to_contain_text(re.compile(r"200 after .* ms.*Motion has it", re.DOTALL))
    page.get_by_role("textbox", name="Answer as the agent").fill(HOSTILE)
    page.get_by_role("textbox", name="Answer as the agent").press("Enter")
    expect(page.locator("#phone-log .theirs").last).to_contain_text(HOSTILE)
    expect(page.locator("#desk-log .mine").last).to_contain_text("delivered")
    page.get_by_role("button", name="Read the last one").click()
    expect(page.locator("#desk-log .mine .ticks.read")).to_have_count(1)


def test_a_gif_is_refused_with_its_reason_on_the_desk_and_a_picture_arrives(page: Page, sandbox: Sandbox) -> None:
    meet(page, sandbox, "files")
    attach(page, "wave.gif")
    refused = page.locator("#desk-log .bubble.failed")
    expect(refused).to_contain_text("CHANNEL_FAILURE")
    expect(refused).to_contain_text("Save a picture as PNG or JPEG")
    expect(page.locator("#ways > li").first).to_contain_text("Sinch is not asked")
    attach(page, "holiday.jpg")
    expect(refused).to_have_count(2)
    attach(page, "picture.jpg")
    picture = page.locator("#phone-log img")
    expect(picture).to_have_count(1)
    page.wait_for_function("document.querySelector('#phone-log img').naturalWidth > 0")
    content = (ROOT / "sandbox/data/attachments/invoice.pdf").read_bytes()
    page.get_by_label("One of your own").set_input_files({"name": "<b>mío</b>.pdf", "mimeType": "", "buffer": content})
    page.get_by_role("button", name="Send it").click()
    expect(page.locator("#phone-log a.paper")).to_have_count(1)


def test_what_a_customer_sends_is_on_the_desk_of_a_motion_without_internet_and_a_program_is_not(
    page: Page, sandbox: Sandbox
) -> None:
    meet(page, sandbox, "sender")
    expect(page.locator("#line")).to_contain_text("up, without internet")
    page.locator("#pocket summary").click()
    for name in ("picture.jpg", "voice.ogg", "holiday.jpg"):
        page.locator("#pocket").get_by_role("button", name=name, exact=True).click()
        expect(page.locator("#ways > li").first).to_contain_text(
            re.compile(rf"sends {name}.*Gateway ← Sinch the file: 200.*Motion ← gateway the file: 200", re.DOTALL)
        )
    expect(page.locator("#desk-log img")).to_have_count(1)
    page.wait_for_function("document.querySelector('#desk-log img').naturalWidth > 0")
    expect(page.locator("#desk-log audio")).to_have_count(1)
    expect(page.locator("#desk-log a.paper")).to_have_text("held back.txt")


def test_three_messages_wait_while_motion_is_down_and_arrive_in_order_and_one_is_traced(
    page: Page, sandbox: Sandbox
) -> None:
    meet(page, sandbox, "patience")
    page.get_by_role("button", name="Take Motion down").first.click()
    expect(page.locator("#line")).to_contain_text("Bring Motion up")
    for words in ("first", "second", "third"):
        write(page, words)
        expect(page.locator("#ways > li").first).to_contain_text("200 after")
    expect(page.locator("#line")).to_contain_text("3 messages wait")
    expect(page.locator("#desk-log")).not_to_contain_text("first")
    page.get_by_role("button", name="Bring Motion up").click()
    expect(page.locator("#desk-log .theirs .words")).to_have_text(["Hola", "first", "second", "third"])
    expect(page.locator("#line")).to_contain_text("nothing waits")
    page.locator("#desk-log .bubble", has_text="second").get_by_role("link").click()
    expect(page.locator("article")).to_contain_text("Motion has event")
    page.get_by_role("link", name="Back to the conversation").click()
    expect(page.locator("#desk-log")).to_contain_text("third")


def test_who_pretends_to_be_sinch_is_refused_and_why_says_why(page: Page, sandbox: Sandbox) -> None:
    meet(page, sandbox, "forgery")
    page.get_by_role("button", name="Sign with another secret").click()
    forged = page.locator("#ways > li", has_text="pretends to be Sinch").first
    expect(forged).to_contain_text("401")
    expect(page.locator("#notice")).to_contain_text("not that of the secret")
    expect(page.locator("#desk-log li")).to_have_count(1)
    forged.get_by_role("link").click()
    for _ in range(30):  # the gateway writes it down a second later, and this page is drawn once
        if "signature wrong" in page.locator("main").inner_text():
            break
        page.reload()
    expect(page.locator("main")).to_contain_text("signature wrong")


def test_what_a_command_does_is_seen_without_loading_the_page(page: Page, sandbox: Sandbox) -> None:
    page.goto(f"{sandbox.url}?with=bea")
    page.get_by_role("textbox", name="Answer as the agent").fill("half a sentence")
    sandbox.run("sinch", "text", "By command", "--contact", "bea")
    expect(page.locator("#desk-log")).to_contain_text("By command")
    expect(page.get_by_role("textbox", name="Answer as the agent")).to_have_value("half a sentence")
    expect(page.get_by_role("textbox", name="Answer as the agent")).to_be_focused()
    sandbox.run("agent", "reply", "By command too", "--contact", "bea")
    expect(page.locator("#phone-log")).to_contain_text("By command too")


def test_without_javascript_the_same_message_goes_round(browser: Browser, sandbox: Sandbox) -> None:
    with chromium.opened(browser, java_script_enabled=False) as page:
        page.goto(f"{sandbox.url}?with=plain")
        page.get_by_role("textbox", name="Write as").fill(HOSTILE)
        page.get_by_role("button", name="Send as Plain").click()
        look_again_until(page, "#desk-log", HOSTILE)
        page.get_by_role("textbox", name="Answer as the agent").fill("By a form alone")
        page.get_by_role("button", name="Send as the agent").click()
        look_again_until(page, "#phone-log", "By a form alone")
        attach(page, "wave.gif")
        look_again_until(page, "#desk-log", "Save a picture as PNG")


def look_again_until(page: Page, where: str, words: str) -> None:
    for _ in range(300):
        if words in page.locator(where).inner_text():
            return
        page.get_by_role("link", name="Look again").click()
    raise AssertionError(page.locator("main").inner_text())


def test_it_is_there_for_who_sees_little_or_has_no_mouse(page: Page, sandbox: Sandbox) -> None:
    meet(page, sandbox, "access")
    attach(page, "wave.gif")
    expect(page.locator("#desk-log .bubble.failed")).to_have_count(1)
    assert axe.complaints(page) == []
    page.locator("#desk-log .bubble.failed").get_by_role("link").click()
    expect(page.locator("article").first).to_be_visible()
    assert axe.complaints(page) == []
    page.get_by_role("link", name="Back to the conversation").press("Enter")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")  # the way past the top
    page.keyboard.type("By keys alone")
    page.keyboard.press("Enter")
    expect(page.locator("#desk-log")).to_contain_text("By keys alone")
