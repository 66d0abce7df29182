"""The operations page in a real browser: who signs in sees and does what he may, and what strangers write never runs.

Every page that is opened is watched: an error, a dialog, a policy that is broken, or a request to another machine fails
the test (`chromium.opened`).
"""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from gateway.page.views import VIEWS
from sandbox import faults
from sandbox.callbacks import Customer, customer
from tests.browser import axe, chromium
from tests.browser.played import OPERATOR, SUPPORT, Played, played, sign_in

pytestmark = pytest.mark.live

HOSTILE = "<img src=x onerror=alert(1)><script>alert(2)</script> ‮Größe‬ 見積 مرحبا"
PAPER = "فاتورة 請求書 <b>счёт<b>.pdf"  # of the sandbox's drawer
REFUSED = "status of 401"  # what Chromium says of an answer with that status


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Played]:
    with played() as sandbox:
        yield sandbox


@pytest.fixture
def page(browser: Browser, sandbox: Played) -> Iterator[Page]:
    """The overview, as an operator who may reveal has it."""
    with chromium.opened(browser) as page:
        sign_in(page, sandbox)
        yield page


def heading(page: Page) -> Locator:
    return page.get_by_role("heading", level=1)


def write(sandbox: Played, name: str, words: str) -> Customer:
    """A customer of that name has written."""
    who = customer(name)
    sandbox.house.sinch.send(sandbox.house.api.wrote(who, words=words))
    return who


def park(page: Page, sandbox: Played) -> None:
    """Park an event that Motion has not taken, and be at it."""
    sandbox.house.motion.set_fault(faults.DOWN)
    write(sandbox, "patient", "Sind Sie da?")
    page.goto(f"{sandbox.ops}/events?state=pending")
    page.get_by_role("table").get_by_role("link").first.click()
    page.get_by_text("Park it").first.click()
    page.get_by_role("button", name="Park it").click()
    expect(page.get_by_role("status")).to_contain_text("parked")
    sandbox.house.motion.set_fault(faults.NONE)


def search(page: Page, sandbox: Played, what: str) -> Locator:
    """What is told of it."""
    page.goto(f"{sandbox.ops}/search")
    page.get_by_label("What happened to").fill(what)
    with page.expect_navigation():
        page.get_by_role("button", name="Tell").click()
    return page.locator(".story")


def test_who_signs_in_is_there_until_he_signs_out_and_his_cookie_is_worth_nothing_after_it(
    browser: Browser, sandbox: Played
) -> None:
    with chromium.opened(browser, forgiven=REFUSED) as page:
        page.goto(f"{sandbox.ops}/events")
        sign_in(page, sandbox, password="a wrong one")
        expect(page.get_by_role("alert")).to_be_visible()
        sign_in(page, sandbox)
        stolen = page.context.cookies()
        assert all(cookie["secure"] and cookie["httpOnly"] for cookie in stolen)
        page.get_by_role("button", name="Sign out").click()
        expect(page.get_by_role("status")).to_contain_text("signed out")
    with chromium.opened(browser, forgiven=REFUSED) as page:
        page.context.add_cookies(stolen)
        page.goto(f"{sandbox.ops}/events")
        expect(heading(page)).to_have_text("Sign in")


def test_an_event_is_parked_and_replayed_without_a_script_and_motion_has_it(browser: Browser, sandbox: Played) -> None:
    with chromium.opened(browser, java_script_enabled=False) as page:
        sign_in(page, sandbox)
        park(page, sandbox)
        had = len(sandbox.house.motion.accepted)
        page.get_by_role("button", name="Deliver again").click()
        expect(page.get_by_role("status")).to_contain_text("delivered again")
        sandbox.house.motion.wait_for_accepted(had + 1, chromium.DEADLINE_MS / 1000)
        page.goto(f"{sandbox.ops}/audit")
        expect(page.get_by_role("row", name=re.compile(f"{OPERATOR}.*replay"))).to_have_count(1)


def test_the_story_of_a_customer_is_told_and_his_number_stands_in_no_address(page: Page, sandbox: Played) -> None:
    who = write(sandbox, "curious", "Hello?")
    addresses = list[str]()
    page.on("request", lambda request: addresses.append(request.url))
    story = search(page, sandbox, f"+{who.phone}")
    expect(story).to_contain_text("writes (text)")
    expect(story).not_to_contain_text(who.phone)
    page.get_by_role("button", name="Show numbers").click()
    expect(story).to_contain_text(who.phone)
    assert addresses
    assert not [address for address in addresses if who.phone in address]


def test_what_strangers_write_is_shown_as_text_and_never_runs(page: Page, sandbox: Played) -> None:
    write(sandbox, HOSTILE, HOSTILE)
    page.goto(f"{sandbox.ops}/events")
    page.get_by_role("table").get_by_role("link").first.click()
    page.get_by_role("button", name="Reveal").click()
    expect(page.locator("pre")).to_contain_text("<img src=x onerror=alert(1)>")
    search(page, sandbox, HOSTILE)
    expect(page.get_by_label("What happened to")).to_have_value(re.compile("^<img src=x"))
    page.goto(sandbox.page)
    page.get_by_text("Attach a file").click()
    page.get_by_role("button", name=PAPER).click()
    expect(page.locator("#desk-log")).to_contain_text(PAPER)
    page.goto(f"{sandbox.ops}/files")
    expect(page.get_by_role("table")).to_contain_text(PAPER)


def test_all_of_it_is_reached_by_keyboard_alone(page: Page, sandbox: Played) -> None:
    page.keyboard.press("Tab")
    expect(page.locator(":focus")).to_have_text("Skip to content")
    page.keyboard.press("Enter")
    expect(page.locator("main")).to_be_focused()
    page.goto("about:blank")
    page.goto(sandbox.ops)
    wanted = page.get_by_role("navigation", name="Pages").get_by_role("link").all_inner_texts()
    reached = [_next(page) for _ in range(len(wanted) + 2)]
    assert reached[2:] == wanted
    page.keyboard.press("Enter")
    expect(heading(page)).to_have_text(wanted[-1])
    for _ in range(30):
        _next(page)
        if page.evaluate("document.activeElement.name") == "what":
            break
    page.keyboard.type("nothing of ours")
    page.keyboard.press("Enter")
    expect(page.locator("main")).to_contain_text("nothing of ours")


def _next(page: Page) -> str:
    """Go on by Tab; what has the focus shows that."""
    page.keyboard.press("Tab")
    shown = page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
    assert shown != "none", page.evaluate("document.activeElement.outerHTML")
    return str(page.evaluate("document.activeElement.innerText"))


def test_support_sees_all_of_it_and_is_offered_no_change(browser: Browser, sandbox: Played) -> None:
    with chromium.opened(browser) as page:
        sign_in(page, sandbox, SUPPORT)
        for address in _views(page, sandbox):
            page.goto(address)
            expect(heading(page)).to_be_visible()
            for word in ("Deliver again", "Park", "Delete", "Revoke", "Reveal", "Show numbers"):
                assert page.get_by_role("button", name=word).count() == 0, f"{address}: {word}"


def test_axe_finds_nothing_wrong_with_any_view_on_any_screen(browser: Browser, sandbox: Played) -> None:
    told = list[str]()
    with chromium.opened(browser, forgiven="status of 40") as page:
        page.goto(f"{sandbox.ops}/sign-in")
        told += axe.complaints(page)
        sign_in(page, sandbox)
        park(page, sandbox)
        told += axe.complaints(page)
        views = _views(page, sandbox)
        for address in [*views, f"{sandbox.ops}/events?state=rejected", f"{sandbox.ops}/nothing"]:
            page.goto(address)
            told += axe.complaints(page)
        search(page, sandbox, f"+{customer('ana').phone}")
        told += axe.complaints(page)
    assert told == [], "\n".join(told)
    assert {shape for shape in _shapes() if not any(_is_of(shape, address) for address in views)} == {"/sign-in"}


def _shapes() -> set[str]:
    """The paths of all views that are no form's and no picture."""
    return {view.path for view in VIEWS if not view.posted and "." not in view.path}


def _views(page: Page, sandbox: Played) -> list[str]:
    """One address of each view that links lead to from the overview."""
    found, waiting = dict[str, str](), [f"{sandbox.ops}/"]
    while waiting:
        address = waiting.pop()
        shape = min(
            (shape for shape in _shapes() if _is_of(shape, address)), key=lambda shape: shape.count("<"), default=""
        )
        if shape and shape not in found:
            found[shape] = address
            page.goto(address)
            waiting += page.evaluate("[...document.links].map(link => link.href.split(/[?#]/)[0])")
    return list(found.values())


def _is_of(shape: str, address: str) -> bool:
    return re.fullmatch(r"https://[^/]+" + re.sub(r"<[^>]+>", "[^/]+", shape), address) is not None
