#!/usr/bin/env python
"""Walks through the post office in a real browser and looks at what a person would see.

    python examples/postoffice/tour.py [--screenshots DIRECTORY] [--address http://127.0.0.1:8000/]
    python examples/postoffice/tour.py --broker redis://127.0.0.1:6379 [--short]

Starts a demo of its own, on free ports and in a temporary directory, unless it is given the address of one. Prints each
step, and ends with status 0 if all was as it should be, else with 1.
"""

import argparse
import contextlib
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from mailbox import Maildir
from pathlib import Path
from typing import NoReturn

HERE = Path(__file__).resolve().parent

try:
    from playwright.sync_api import Browser, Error, sync_playwright
except ImportError:
    sys.exit("The tour needs Playwright for Python: run `make demo-check`, or pip install playwright.")

# ruff: noqa: E402 - without Playwright there is nothing to walk with
from celeriac.engines import broker_from_url
from instance import queue_of
from walk import Album, StepFailed, Traveller, Walk

#: Seconds that the demo has to open, and to close.
PATIENCE = 60.0

#: Of a day by the demo's clock: the walks wait for two a traveller.
DAY_SECONDS = "6"

#: Who walks: each step is done in both languages, at both widths and in both schemes; once without a mouse.
TRAVELLERS = (
    Traveller("desktop, English", language="en", width=1100, height=900),
    Traveller("phone, Russian, dark", language="ru", width=360, height=780, is_phone=True, is_dark=True),
)
KEYBOARD = Traveller("keyboard only, Russian", language="ru", width=1100, height=900)
WITHOUT_SCRIPT = Traveller("without script, English", language="en", width=1100, height=900, has_script=False)
#: These look at what the others have left behind.
ONLOOKERS = (
    Traveller("phone, English", language="en", width=360, height=780, is_phone=True),
    Traveller("desktop, Russian, dark", language="ru", width=1100, height=900, is_dark=True),
)


@contextlib.contextmanager
def open_demo(broker: str) -> Iterator[tuple[str, Path]]:
    """Start a demo; its address and its mailbox. It is closed at the end, and leaves nothing on a server."""
    with tempfile.TemporaryDirectory(prefix="postoffice-tour-") as name, without_its_queue(broker, Path(name)):
        command = [sys.executable, str(HERE / "demo.py"), "--directory", name, "--broker", broker]
        command += ["--port", str(free_port()), "--smtp-port", str(free_port()), "--concurrency", "4"]
        environment = {key: value for key, value in os.environ.items() if not key.startswith(("CELERI", "CELERY"))}
        environment["POSTOFFICE_DAY_SECONDS"] = DAY_SECONDS
        demo = subprocess.Popen(
            command,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        lines: list[str] = []
        opened = threading.Event()
        reader = threading.Thread(target=read, args=(demo, lines, opened), daemon=True)
        reader.start()
        try:
            opened.wait(PATIENCE)
            address = re.search(r"The post office is open:?\s+(http://\S+)", "".join(lines))
            if address is None:
                sys.exit(f"The demo did not open within {PATIENCE:g} s:\n{''.join(lines)}")
            yield address[1], Path(name, "mailbox")
        finally:
            demo.send_signal(signal.SIGINT)
            try:
                demo.wait(PATIENCE)
            finally:
                demo.kill()
            reader.join()


@contextlib.contextmanager
def without_its_queue(broker: str, directory: Path) -> Iterator[None]:
    """Delete the queue of the demo in this directory at the end, if a server has it, and its keys."""
    yield
    if not broker:
        return
    queue = queue_of(directory.resolve())
    if broker.startswith(("redis://", "rediss://")) and "global_keyprefix" not in broker:
        from redis import Redis

        with Redis.from_url(broker) as client:
            for key in client.scan_iter(f"{queue}:*"):
                client.delete(key)
        return
    with contextlib.closing(broker_from_url(broker)) as opened:
        opened.delete(queue)


def read(demo: subprocess.Popen[str], lines: list[str], opened: threading.Event) -> None:
    """Keep what the demo says, and tell when its address is among it, or when it has ended."""
    assert demo.stdout is not None
    for line in demo.stdout:
        lines.append(line)
        if "The post office is open" in line:
            opened.set()
    opened.set()


def free_port() -> int:
    """A port that nobody listens on at the moment."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port


def take_a_short_tour(browser: Browser, address: str, album: Album) -> None:
    """Take one walk past everything that tasks do. Raises ``StepFailed`` at the first thing that is wrong."""
    with Walk.begin(browser, address, TRAVELLERS[0], album) as walk:
        walk.choose_language()
        walk.send_letters()
        walk.try_experiments()
        walk.cancel_an_import()
        walk.look_inside()
        walk.watch_every_day()


def take_the_tour(browser: Browser, address: str, album: Album) -> None:
    """Take all the walks. Raises ``StepFailed`` at the first thing that is not as it should be."""
    for traveller in TRAVELLERS:
        with Walk.begin(browser, address, traveller, album) as walk:
            walk.choose_language()
            walk.send_letters()
            walk.try_experiments()
            walk.cancel_an_import()
            walk.look_inside()
            walk.watch_every_day()
    with Walk.begin(browser, address, KEYBOARD, album) as walk:
        walk.do_everything_with_the_keyboard()
    with Walk.begin(browser, address, WITHOUT_SCRIPT, album) as walk:
        walk.do_without_script()
    for traveller in ONLOOKERS:
        with Walk.begin(browser, address, traveller, album) as walk:
            walk.choose_language()
            walk.look_around()


def look_into_the_mailbox(mailbox: Path) -> None:
    """See that the post has the reports. Raises ``StepFailed``."""
    subjects = [str(letter["Subject"]) for letter in Maildir(mailbox)]
    if not any(subject.startswith("Daily report of ") for subject in subjects):
        raise StepFailed(f"There is no daily report in the mailbox; there are {len(subjects)} other letters.")
    print("  ✓ the daily reports are in the mailbox", flush=True)


def find_browser() -> str:
    """Debian's chromium, or one of the names others give it."""
    for name in ("chromium", "chromium-browser", "google-chrome"):
        if path := shutil.which(name):
            return path
    sys.exit("The tour needs a chromium in PATH: apt-get install chromium (Debian, Ubuntu), or the like.")


def main() -> NoReturn:
    """Read the command line and walk."""
    parser = argparse.ArgumentParser(description="Walk through the post office in a browser; status 0 if all is well.")
    parser.add_argument("--screenshots", type=Path, metavar="DIRECTORY", help="where to keep pictures of the walk")
    parser.add_argument("--address", help="walk through a demo that runs already, and in which nothing else happens")
    parser.add_argument(
        "--broker", default="", metavar="URL", help="the server that the demo shall use, instead of a file"
    )
    parser.add_argument("--short", action="store_true", help="walk once, past everything that tasks do")
    options = parser.parse_args()
    executable = find_browser()
    album = Album(options.screenshots)
    started = time.monotonic()
    with contextlib.ExitStack() as stack:
        address, mailbox = (
            (options.address, None) if options.address else stack.enter_context(open_demo(options.broker))
        )
        engine = stack.enter_context(sync_playwright())
        # The browser opens nothing but this site; in a container it often may not have a sandbox.
        browser = engine.chromium.launch(executable_path=executable, args=["--no-sandbox"])
        stack.callback(browser.close)
        try:
            (take_a_short_tour if options.short else take_the_tour)(browser, address, album)
            if mailbox is not None:
                look_into_the_mailbox(mailbox)
        except StepFailed as failure:
            print(f"✗ {failure}", flush=True)
            sys.exit(1)
        except Error as error:
            print(f"✗ The browser says: {error.message.splitlines()[0]}", flush=True)
            sys.exit(1)
    print(f"All as it should be, after {time.monotonic() - started:.0f} s.")
    sys.exit(0)


if __name__ == "__main__":
    main()
