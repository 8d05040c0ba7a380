"""The whole example, started as a person starts it, and looked at through HTTP."""

import json
import mailbox
import os
import re
import signal
import subprocess
import sys
import threading
import time
import urllib.parse
import urllib.request
from collections.abc import Callable
from http.cookiejar import CookieJar
from pathlib import Path
from typing import Any, Self

from tests.django.postoffice import POSTOFFICE, free_port

#: Seconds that anything may take on a slow, busy machine.
PATIENCE = 60.0


def wait_until(condition: Callable[[], Any], what: str, *, patience: float = PATIENCE) -> Any:
    """Ask again and again until the answer is truthy, and return it."""
    deadline = time.monotonic() + patience
    while not (answer := condition()):
        assert time.monotonic() < deadline, f"Waited {patience:g} s in vain for: {what}"
        time.sleep(0.05)
    return answer


class RunningDemo:
    """demo.py as a process in a session of its own, with everything it has printed."""

    def __init__(self, directory: Path, *options: str, **more_environment: str) -> None:
        self.directory = directory
        self.lines: list[str] = []
        environment = {key: value for key, value in os.environ.items() if not key.startswith(("CELERI", "CELERY"))}
        environment.pop("DJANGO_SETTINGS_MODULE", None)
        # Nothing happens by itself while tests count letters, unless a test wants short days.
        environment["POSTOFFICE_DAY_SECONDS"] = "86400"
        self.process = subprocess.Popen(
            [sys.executable, "demo.py", "--directory", str(directory), *options],
            cwd=POSTOFFICE,
            env=environment | more_environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        self._opener = urllib.request.build_opener(urllib.request.HTTPCookieProcessor(CookieJar()))
        self.address = ""

    @classmethod
    def open(cls, directory: Path, *options: str, **more_environment: str) -> Self:
        """Start it and wait until it shows its address."""
        ports = "--port", str(free_port()), "--smtp-port", str(free_port())
        demo = cls(directory, *ports, *options, **more_environment)
        demo.wait_for_address()
        return demo

    def wait_for_address(self) -> None:
        wait_until(lambda: "The post office is open" in self.output or self.process.poll() is not None, "the address")
        found = re.search(r"http://\S+/", self.output)
        assert found, self.output
        self.address = found[0]

    @property
    def output(self) -> str:
        return "".join(self.lines)

    def interrupt(self) -> None:
        """What Ctrl-C does, if the terminal's other processes are in groups of their own."""
        self.process.send_signal(signal.SIGINT)

    def end(self) -> int:
        """Wait for the end that has been asked for; the exit status."""
        status = self.process.wait(PATIENCE)
        self._reader.join(PATIENCE)
        return status

    def close(self) -> None:
        """End it, whatever state it is in."""
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(PATIENCE)
            finally:
                self.process.kill()
        self._reader.join(PATIENCE)
        assert self.process.stdout is not None
        self.process.stdout.close()

    # The site.

    def page(self, path: str = "") -> str:
        with self._opener.open(urllib.parse.urljoin(self.address, path), timeout=PATIENCE) as answer:
            text: str = answer.read().decode()
            return text

    def send(self, way: str, *, difficult: bool = False, as_json: bool = True) -> Any:
        """Press a button: what the script on the page gets, or the page that a browser without script shows."""
        fields = {"difficult": "on"} if difficult else {}
        text = self.press(f"send/{way}/", **fields, accept="application/json" if as_json else "text/html")
        return json.loads(text) if as_json else text

    def press(self, path: str, *, accept: str = "text/html", **fields: str) -> str:
        """Press the button that leads to this address; what is answered."""
        token = re.search(r'name="csrfmiddlewaretoken" value="([^"]+)"', self.page())
        assert token
        request = urllib.request.Request(
            urllib.parse.urljoin(self.address, path),
            data=urllib.parse.urlencode({"csrfmiddlewaretoken": token[1]} | fields).encode(),
            headers={"Accept": accept},
        )
        with self._opener.open(request, timeout=PATIENCE) as answer:
            text: str = answer.read().decode()
            return text

    def states(self) -> list[str]:
        """The states of the newest ten letters, in the order of the page."""
        rows = re.findall(r'<li id="letter-\d+">.*?<span class="state ([\w-]+)">', self.page(), re.DOTALL)
        return rows[:10]

    def wait_for_states(self, *expected: str) -> None:
        """Wait until the newest ten letters are in these states and no others."""
        wait_until(lambda: set(self.states()) == set(expected), f"ten letters that are {' or '.join(expected)}")

    def letters_kept(self) -> list[str]:
        """The Message-ID of every letter the SMTP server took."""
        return [letter["Message-ID"] for letter in mailbox.Maildir(self.directory / "mailbox")]

    def reports_kept(self) -> list[str]:
        """The texts of the daily reports among them."""
        kept = mailbox.Maildir(self.directory / "mailbox")
        return [str(letter.get_payload()) for letter in kept if letter["Subject"].startswith("Daily report")]

    # Its processes.

    def pids(self) -> dict[int, str]:
        """Every process of this demo but demo.py itself, with its command line.

        They are found by the demo's directory, which is in the environment of all of them.
        """
        mark = f"POSTOFFICE_DIRECTORY={self.directory}".encode()
        found = {}
        for process in Path("/proc").iterdir():
            if process.name.isdecimal() and int(process.name) != os.getpid():
                try:
                    if mark in (process / "environ").read_bytes().split(b"\0"):
                        command = (process / "cmdline").read_bytes().replace(b"\0", b" ").decode().strip()
                        if command:  # a zombie has none
                            found[int(process.name)] = command
                except OSError:
                    continue
        return found

    def pids_below(self, words: str) -> list[int]:
        """The processes started by those that have these words in their command line."""
        pids = self.pids()
        parents = {pid for pid, command in pids.items() if words in command}
        return [pid for pid in pids if _parent_of(pid) in parents]

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.lines.append(line)


def _parent_of(pid: int) -> int | None:
    try:
        # The name of the program, in brackets, may hold anything; the parent is the second word behind it.
        return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
    except OSError:
        return None
