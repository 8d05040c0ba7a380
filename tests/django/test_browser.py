"""The example in a real browser: what only a person at the page would notice.

Needs Playwright for Python and Debian's chromium: `pip install playwright`, `apt-get install chromium`.
"""

import re
import shutil
from collections.abc import Iterator
from typing import Any

import pytest

from tests.django.running_demo import PATIENCE, RunningDemo

CHROMIUM = shutil.which("chromium")
playwright = pytest.importorskip("playwright.sync_api", reason="NOT RUN: the page in a browser; pip install playwright")

pytestmark = [
    pytest.mark.timeout(240),
    pytest.mark.skipif(CHROMIUM is None, reason="NOT RUN: the page in a browser; apt-get install chromium"),
]

PHONE = {"viewport": {"width": 390, "height": 844}, "is_mobile": True, "has_touch": True}


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningDemo]:
    running = RunningDemo.open(tmp_path_factory.mktemp("demo") / "state")
    yield running
    running.close()


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with playwright.sync_playwright() as engine:
        browser = engine.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture
def open_page(browser: Any, demo: RunningDemo) -> Iterator[Any]:
    """Open the site's page; at the end nothing must have gone wrong in its script."""
    contexts, errors = [], []

    def open_page(**options: Any) -> Any:
        context = browser.new_context(**options)
        context.set_default_timeout(PATIENCE * 1000)
        contexts.append(context)
        page = context.new_page()
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.on("console", lambda message: errors.append(message.text) if message.type == "error" else None)
        page.goto(demo.address)
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert errors == []


def button(page: Any, way: str) -> Any:
    return page.get_by_role("button", name=f"Send 10 letters in the {way}")


#: JavaScript: which mailing is on top; null for none.
NEWEST_ID = "() => document.querySelector('section.mailing')?.id ?? null"


def send_in_background(page: Any, *, difficult: bool = False) -> Any:
    """Press the button; with or without the two difficult addresses."""
    page.locator("form[data-way=background]").get_by_role("checkbox").set_checked(difficult)
    button(page, "background").click()


def newest(page: Any) -> Any:
    return page.locator("section.mailing").first


def milliseconds(text: str) -> float:
    number, unit = re.fullmatch(r"([\d.]+) (ms|s)", text.strip()).groups()
    return float(number) * (1 if unit == "ms" else 1000)


def test_the_stop_watch_runs_while_the_request_does_and_the_other_button_stays_usable(open_page: Any) -> None:
    page = open_page()
    form = page.locator("form[data-way=request]")
    button(page, "request").click()
    form.locator(".time", has_text=re.compile(r"[1-9]\.\d\d s")).wait_for()
    assert form.get_attribute("class") == "way running"
    button(page, "background").click()
    page.locator("form.over[data-way=background]").wait_for()
    page.locator("form.over[data-way=request]").wait_for()
    took = {
        way: milliseconds(page.locator(f"form[data-way={way}] .time").inner_text()) for way in ("request", "background")
    }
    assert took["request"] >= 7000
    assert took["background"] < took["request"]
    assert "The request took" in form.get_by_role("status").inner_text()


def test_ten_rows_turn_to_sent_by_themselves(open_page: Any) -> None:
    page = open_page()
    send_in_background(page)
    newest(page).locator("li .state.sending").first.wait_for()
    newest(page).locator(".tally", has_text="10 sent").wait_for()
    assert newest(page).locator("li .state.sent").count() == 10


def test_a_page_that_is_only_looked_at_shows_what_another_window_sends(open_page: Any) -> None:
    looked_at, other = open_page(), open_page()
    before = newest(looked_at).get_attribute("id") if newest(looked_at).count() else ""
    send_in_background(other)
    looked_at.locator(f"section.mailing:not(#{before or 'none'}) .tally", has_text="10 sent").first.wait_for()


def test_everything_can_be_done_with_the_keyboard_and_focus_stays_while_rows_change(open_page: Any) -> None:
    page = open_page()
    earlier = page.evaluate(NEWEST_ID)
    page.locator("form[data-way=background]").get_by_role("checkbox").press("Space")
    button(page, "background").focus()
    page.keyboard.press("Enter")
    # Letters of the test before may still be on their way.
    page.wait_for_function(f"earlier => ({NEWEST_ID})() !== earlier", arg=earlier)
    newest(page).locator("li .state.sending").first.wait_for()
    last = newest(page).locator("li a").last
    last.focus()
    identifier = last.get_attribute("id")
    newest(page).locator(".tally", has_text="10 sent").wait_for()
    assert page.evaluate("document.activeElement.id") == identifier
    page.keyboard.press("Enter")
    page.get_by_text("Dear Jonas,").wait_for()


def test_an_open_letter_follows_its_task(open_page: Any) -> None:
    page = open_page()
    earlier = page.evaluate(NEWEST_ID)
    send_in_background(page, difficult=True)
    page.wait_for_function(f"earlier => ({NEWEST_ID})() !== earlier", arg=earlier)
    newest(page).locator("li", has_text="full@example.org").locator("a").click()
    page.get_by_text("waiting for attempt 2").first.wait_for()
    page.get_by_text("452 4.2.2").first.wait_for()
    page.get_by_text("waiting for attempt 3").first.wait_for()
    page.get_by_text("SUCCESS").wait_for()
    page.get_by_text("The post did not take it at the first 2 attempts. Then it did.").wait_for()


def test_nothing_hangs_over_the_edge_of_a_phone(open_page: Any) -> None:
    page = open_page(**PHONE)
    button(page, "background").tap()
    newest(page).locator("li .state.failed").wait_for()
    assert page.evaluate("document.documentElement.scrollWidth") == 390
    newest(page).locator("li", has=page.locator(".failed")).locator("a").tap()
    page.get_by_role("heading", name="Traceback").wait_for()
    assert page.evaluate("document.documentElement.scrollWidth") == 390


def test_without_script_the_buttons_work_and_the_page_reloads_itself(open_page: Any) -> None:
    page = open_page(java_script_enabled=False)
    send_in_background(page)
    newest(page).locator("li .state.waiting, li .state.sending").first.wait_for()
    newest(page).locator(".tally", has_text="10 sent").wait_for()
