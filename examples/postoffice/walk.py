"""One person's walk through the site, step by step, and what they must see."""

import contextlib
import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple, Self

from playwright.sync_api import Browser, Error, Locator, Page, expect

#: Seconds that anything may take on a slow, busy machine.
PATIENCE = 60.0

EXPERIMENTS = ("failing", "too-slow", "killed", "ten-at-once", "import")

# ruff: noqa: RUF001 - some of the texts are Russian
#: What is to be read on the pages, in each language.
TEXTS = {
    "en": {
        "title": "Ten letters, two ways",
        "send": "Send 10 letters in the",
        "attempt": "waiting for attempt",
        "background": ("9 sent", "1 failed"),
        "request": ("8 sent", "2 failed"),
        "took": "The request took",
        "refused": "The post's answer",
        "experiments": "What happens if…",
        "failed": "error",
        "done": "done",
        "cancelled": "cancelled",
        "killed": "the process is killed with SIGKILL",
        "soft": "soft limit",
        "begins": "the task begins",
        "together": "Together:",
        "imported": "2,000 of 2,000 rows; 16 rows are no addresses",
        "inside": "Code and message",
        "protocol": "Celery's message protocol, version 2",
        "news": "All letters are done: 9 sent, 1 failed.",
        "daily": "What happens every day",
        "at seven": "every day at 07:00",
        "by schedule": "by schedule",
        "by hand": "by hand",
        "paused": "paused",
        "mailed": "sent",
    },
    "ru": {
        "title": "Десять писем, два пути",
        "send": "Отправить 10 писем в",
        "attempt": "ждёт попытки",
        "background": ("отправлено: 9", "не отправлено: 1"),
        "request": ("отправлено: 8", "не отправлено: 2"),
        "took": "Запрос длился",
        "refused": "Ответ почты",
        "experiments": "Что будет, если…",
        "failed": "ошибка",
        "done": "готово",
        "cancelled": "отменено",
        "killed": "процесс убит сигналом SIGKILL",
        "soft": "мягкий предел",
        "begins": "задача начинается",
        "together": "Все сразу:",
        "imported": "Строк: 2\xa0000 из 2\xa0000; 16 строк — не адреса",
        "inside": "Код и сообщение",
        "protocol": "протокол сообщений Celery версии 2",
        "news": "С письмами закончено: отправлено: 9, не отправлено: 1.",
        "daily": "Что происходит каждый день",
        "at seven": "каждый день в 07:00",
        "by schedule": "по расписанию",
        "by hand": "вручную",
        "paused": "на паузе",
        "mailed": "отправлено",
    },
}


class StepFailed(Exception):  # noqa: N818 - it is no error of the program
    """Something was not as a person should see it; the text says where and what."""


def brief(error: Exception) -> str:
    """What is wrong, without the browser's log and its description of the whole page."""
    text = re.sub(r"\x1b\[\d+m", "", str(error))
    return re.split(r"\n(?:Call log|Aria snapshot)", text)[0].strip()


class Traveller(NamedTuple):
    """Who looks at the site, and through what."""

    name: str
    language: str
    width: int
    height: int
    is_phone: bool = False
    is_dark: bool = False
    has_script: bool = True


class Album:
    """Keeps pictures, if somebody wants them."""

    def __init__(self, directory: Path | None) -> None:
        self._directory = directory

    def keep(self, page: Page, name: str, *, whole: bool = True) -> None:
        """Keep a picture of the page, or of what is to be seen of it without scrolling."""
        if self._directory is not None:
            page.screenshot(path=self._directory / f"{name}.png", full_page=whole, animations="disabled")


class Walk:
    """A browser's page, in the hands of a traveller. Each public method is a step or a few of them."""

    def __init__(self, page: Page, address: str, traveller: Traveller, album: Album) -> None:
        self.page = page
        self.address = address
        self.traveller = traveller
        self.album = album
        #: What went wrong in the page's script.
        self.slips: list[str] = []
        self._step = "begin"
        page.on("pageerror", lambda error: self.slips.append(str(error)))
        page.on("console", lambda message: self.slips.append(message.text) if message.type == "error" else None)

    @classmethod
    @contextlib.contextmanager
    def begin(cls, browser: Browser, address: str, traveller: Traveller, album: Album) -> Iterator[Self]:
        """Open the site for a traveller; whatever fails on the way is told with the step that was being taken."""
        context = browser.new_context(
            viewport={"width": traveller.width, "height": traveller.height},
            is_mobile=traveller.is_phone,
            has_touch=traveller.is_phone,
            color_scheme="dark" if traveller.is_dark else "light",
            java_script_enabled=traveller.has_script,
            locale="en",
        )
        context.set_default_timeout(PATIENCE * 1000)
        expect.set_options(timeout=PATIENCE * 1000)
        walk = cls(context.new_page(), address, traveller, album)
        print(f"{traveller.name}:", flush=True)
        try:
            walk.page.goto(address)
            yield walk
            walk.require(not walk.slips, f"the page's script fails: {walk.slips}")
        except (AssertionError, Error) as error:
            raise StepFailed(f"{traveller.name}, {walk._step}: {brief(error)}") from error
        finally:
            context.close()

    # What a traveller does and sees.

    def done(self, step: str) -> None:
        print(f"  ✓ {step}", flush=True)

    def require(self, condition: object, what: str) -> None:
        if not condition:
            raise AssertionError(what)

    def text(self, name: str) -> str:
        text = TEXTS[self.traveller.language][name]
        assert isinstance(text, str)
        return text

    def sees(self, where: Locator, name: str) -> None:
        expect(where).to_contain_text(self.text(name))

    def press(self, target: Locator) -> None:
        target.tap() if self.traveller.is_phone else target.click()

    def fits(self) -> None:
        """Nothing hangs over the edge, once the style is there."""
        self.page.wait_for_load_state("load")
        width = self.page.evaluate("document.documentElement.scrollWidth")
        self.require(width <= self.traveller.width, f"{self.page.url} is {width} pixels wide")

    def picture(self, name: str, *, whole: bool = True) -> None:
        scheme = "-dark" if self.traveller.is_dark else ""
        width = "phone" if self.traveller.is_phone else "desktop"
        self.album.keep(self.page, f"{name}-{width}-{self.traveller.language}{scheme}", whole=whole)

    def go(self, path: str) -> None:
        self.press(self.page.locator(f'nav a[href="{path}"]'))

    def mailing(self, way: str) -> Locator:
        return self.page.locator(f'section.mailing[data-way="{way}"]').first

    @contextlib.contextmanager
    def new_run(self, slug: str) -> Iterator[None]:
        """What is done here starts an experiment; at the end its card shows the new run, and not the one before."""
        inside = self.page.locator(f"#{slug}-inside")
        earlier = inside.get_attribute("href") if inside.count() else ""
        yield
        expect(inside).not_to_have_attribute("href", earlier or "")

    def state(self, slug: str) -> Locator:
        return self.page.locator(f"#{slug}-head .state")

    # Steps.

    def choose_language(self) -> None:
        self._step = "choosing the language"
        with self.page.expect_navigation():
            self.press(self.page.locator(f'.languages button[value="{self.traveller.language}"]'))
        self.sees(self.page.locator("h1"), "title")
        self.require(
            self.page.locator("html").get_attribute("lang") == self.traveller.language, "the page says another language"
        )
        self.fits()
        self.done("the language is chosen")

    def send_letters(self) -> None:
        self._step = "sending letters"
        for way in ("request", "background"):
            button = self.page.locator(f"form[data-way={way}] button")
            self.sees(button, "send")
            self.press(button)
        expect(self.page.locator("form.over[data-way=background]")).to_be_visible()
        expect(self.page.locator("form.running[data-way=request]")).to_be_visible()
        self.done("the background answers while the request still runs")
        self.sees(self.mailing("background").locator("li .state.delayed"), "attempt")
        self.picture("letters-under-way", whole=False)
        self.done("the full mailbox is tried again")
        for way in ("background", "request"):
            for words in TEXTS[self.traveller.language][way]:
                expect(self.mailing(way).locator(".tally")).to_contain_text(words)
        self.sees(self.page.locator("form[data-way=request] .verdict"), "took")
        self.sees(self.page.locator("#news"), "news")
        self.fits()
        self.picture("letters")
        self.done("nine letters have gone out in the background, eight in the request")
        self.press(self.mailing("background").locator("li", has_text="nobody@").locator("a"))
        self.sees(self.page.locator("#letter"), "refused")
        expect(self.page.locator("#letter")).to_contain_text("550 5.1.1")
        expect(self.page.locator("#traceback")).to_contain_text("RefusalError")
        self.fits()
        self.picture("letter")
        self.done("the letter that was refused for good shows its error")

    def try_experiments(self) -> None:
        self._step = "trying the experiments"
        self.go("/experiments/")
        self.sees(self.page.locator("h1"), "experiments")
        for slug in EXPERIMENTS:
            with self.new_run(slug):
                self.press(self.page.locator(f"#{slug}-start button"))
        self.see_experiments_end()
        self.fits()
        self.picture("experiments")

    def see_experiments_end(self) -> None:
        """Whoever has pressed all the buttons sees each task come to its own end."""
        self.sees(self.state("failing"), "failed")
        expect(self.page.locator("#failing-events")).to_contain_text("KeyError: 'postcard'")
        expect(self.page.locator("#failing-traceback")).to_contain_text("Traceback (most recent call last)")
        self.done("the error and its traceback are there")
        # The script replaces the bar as it moves, so it has to be found anew each time.
        self.page.wait_for_function(
            "() => { const bar = document.querySelector('#import-progress progress');"
            " return bar?.value > 0 && bar.value < 100; }"
        )
        self.done("the progress bar moves")
        self.sees(self.page.locator("#too-slow-events"), "soft")
        self.picture("experiments-under-way", whole=False)
        self.sees(self.state("too-slow"), "failed")
        expect(self.page.locator("#too-slow-events")).to_contain_text("TimeLimitExceeded")
        self.done("the slow task meets its soft limit, then its hard limit")
        self.sees(self.state("killed"), "done")
        self.sees(self.page.locator("#killed-events"), "killed")
        beginnings = self.page.locator("#killed-events li", has_text=self.text("begins")).all_inner_texts()
        processes = {re.findall(r"\d{2,}", text)[-1] for text in beginnings}
        self.require(len(processes) == 2, f"the killed task begins in two processes, not {processes}")
        self.done("the killed task comes back in another process")
        self.sees(self.state("ten-at-once"), "done")
        self.sees(self.page.locator("#ten-facts"), "together")
        expect(self.page.locator("#ten-bars li.over")).to_have_count(10)
        self.done("ten answers have been awaited together")
        self.sees(self.state("import"), "done")
        self.sees(self.page.locator("#import-facts"), "imported")
        self.done("2,000 rows are imported")

    def cancel_an_import(self) -> None:
        self._step = "cancelling an import"
        with self.new_run("import"):
            self.press(self.page.locator("#import-start button"))
        self.press(self.page.locator("#import-cancel-button"))
        self.sees(self.state("import"), "cancelled")
        done = self.page.locator("#import-progress progress").evaluate("bar => bar.value")
        self.require(done < 100, "the import went on to its end although it was cancelled")
        self.done("an import is cancelled")

    def look_inside(self) -> None:
        self._step = "looking inside"
        self.press(self.page.locator("#killed-inside"))
        self.sees(self.page.locator("h1"), "inside")
        expect(self.page.locator("pre.code").first).to_contain_text("os.kill(os.getpid(), signal.SIGKILL)")
        self.sees(self.page.locator("#messages"), "protocol")
        expect(self.page.locator("#messages")).to_contain_text('"task": "experiments.tasks.survive"')
        self.fits()
        self.picture("inside")
        self.done("the code and the message are shown")

    def watch_every_day(self) -> None:
        self._step = "watching what happens every day"
        self.go("/daily/")
        self.sees(self.page.locator("h1"), "daily")
        self.sees(self.page.locator("#report"), "at seven")
        self.see_countdown_fall()
        rest = self.page.locator("#sessions-rest-button")
        self.press(rest)
        self.sees(self.page.locator("#sessions-next"), "paused")
        self.press(self.page.locator("#make-sessions"))
        count = self.page.locator("#sessions-count")
        expect(count).to_have_text("500")
        self.done("there are 500 expired sessions, while nobody clears them")
        newest = self.page.locator("#reports tbody tr a").first
        earlier = newest.get_attribute("id") if newest.count() else ""
        self.press(rest)
        expect(count).to_have_text("0")
        self.sees(self.page.locator("#sessions-runs"), "by schedule")
        self.done("they are gone by themselves")
        expect(newest).not_to_have_attribute("id", earlier or "")
        self.sees(self.page.locator("#reports tbody tr").first, "mailed")
        self.sees(self.page.locator("#report-runs"), "by schedule")
        self.done("a report has come by itself, and was mailed")
        self.press(self.page.locator("#report-run"))
        self.sees(self.page.locator("#report-runs"), "by hand")
        self.fits()
        self.picture("daily")
        self.done("one is written now")
        self.press(self.page.locator("#report-runs a").first)
        self.sees(self.page.locator("#messages"), "protocol")
        expect(self.page.locator("pre.code").first).to_contain_text("def write_report")
        self.fits()

    def see_countdown_fall(self) -> None:
        self.page.wait_for_function(
            """() => {
                const [seconds] = document.querySelector("#report-next .countdown").textContent.match(/\\d+/) ?? [];
                const has_fallen = window.before > Number(seconds);
                window.before = Number(seconds);
                return has_fallen;
            }"""
        )
        hour = self.page.locator("[data-hour]").inner_text()
        expect(self.page.locator("[data-hour]")).not_to_have_text(hour)
        self.done("the clock goes and the countdown falls")

    def look_around(self) -> None:
        self._step = "looking around"
        self.fits()
        self.picture("letters")
        self.press(self.mailing("background").locator("li", has_text="full@").locator("a"))
        expect(self.page.locator("#letter")).to_be_visible()
        self.fits()
        self.press(self.page.locator("#look-inside"))
        expect(self.page.locator("#messages section")).to_have_count(3)
        self.fits()
        self.done("the letter that was tried three times has three messages")
        self.go("/experiments/")
        self.sees(self.page.locator("h1"), "experiments")
        self.fits()
        self.picture("experiments")
        self.go("/daily/")
        self.sees(self.page.locator("h1"), "daily")
        self.fits()
        self.picture("daily")
        self.done("everything fits")

    def do_everything_with_the_keyboard(self) -> None:
        self._step = "using the keyboard"
        self.reach(self.page.locator(f'.languages button[value="{self.traveller.language}"]'))
        self.page.keyboard.press("Enter")
        self.sees(self.page.locator("h1"), "title")
        newest = self.page.locator("section.mailing").first.get_attribute("id")
        self.reach(self.page.locator("form[data-way=background] button"))
        self.page.keyboard.press("Enter")
        expect(self.page.locator("section.mailing").first).not_to_have_attribute("id", newest or "")
        self.done("letters are sent")
        self.reach(self.mailing("background").locator("li", has_text="nobody@").locator("a"))
        self.page.keyboard.press("Enter")
        expect(self.page.locator("#letter")).to_contain_text("550 5.1.1")
        self.done("a letter is opened")
        self.reach(self.page.locator('nav a[href="/experiments/"]'))
        self.page.keyboard.press("Enter")
        self.sees(self.page.locator("h1"), "experiments")
        for slug in EXPERIMENTS:
            self.reach(self.page.locator(f"#{slug}-start button"))
            with self.new_run(slug):
                self.page.keyboard.press("Space")
        self.reach(self.page.locator("#import-cancel-button"))
        self.picture("keyboard", whole=False)
        self.page.keyboard.press("Enter")
        self.sees(self.state("import"), "cancelled")
        self.require(self.is_focused(self.page.locator("#import-cancel-button")), "the focus is lost")
        self.done("an import is cancelled, and the focus stays")
        for slug, ending in (("too-slow", "failed"), ("killed", "done"), ("ten-at-once", "done")):
            self.sees(self.state(slug), ending)
        self.done("every experiment is started and comes to its end")
        self.reach(self.page.locator("#too-slow-inside"))
        self.page.keyboard.press("Enter")
        self.sees(self.page.locator("#messages"), "protocol")
        self.done("the code and the message are reached")
        self.reach(self.page.locator('nav a[href="/daily/"]'))
        self.page.keyboard.press("Enter")
        self.sees(self.page.locator("h1"), "daily")
        self.reach(self.page.locator("#sessions-rest-button"))
        self.page.keyboard.press("Enter")
        self.sees(self.page.locator("#sessions-next"), "paused")
        self.require(self.is_focused(self.page.locator("#sessions-rest-button")), "the focus is lost")
        self.page.keyboard.press("Enter")
        expect(self.page.locator("#sessions-next [data-due]")).to_be_visible()
        self.done("an entry is paused and resumed, and the focus stays")

    def reach(self, target: Locator) -> None:
        """Press Tab until the target has the focus, and shows it."""
        for _ in range(200):
            if self.is_focused(target):
                outline = target.evaluate("element => getComputedStyle(element).outlineStyle")
                self.require(outline != "none", f"the focus can't be seen on {target}")
                return
            self.page.keyboard.press("Tab")
        raise AssertionError(f"Tab never leads to {target}")

    @staticmethod
    def is_focused(target: Locator) -> bool:
        focused: bool = target.evaluate("element => element === document.activeElement")
        return focused

    def do_without_script(self) -> None:
        self._step = "doing without script"
        earlier = self.page.locator("section.mailing").first.get_attribute("id")
        self.press(self.page.locator("form[data-way=background] button"))
        expect(self.page.locator("section.mailing").first).not_to_have_attribute("id", earlier or "")
        self.go("/experiments/")
        with self.new_run("failing"):
            self.press(self.page.locator("#failing-start button"))
        self.sees(self.state("failing"), "failed")
        with self.new_run("import"):
            self.press(self.page.locator("#import-start button"))
        self.press(self.page.locator("#import-cancel-button"))
        self.sees(self.state("import"), "cancelled")
        self.go("/daily/")
        self.press(self.page.locator("#sessions-run"))
        self.sees(self.page.locator("#sessions-runs"), "by hand")
        self.done("the buttons work, and the page reloads itself")
