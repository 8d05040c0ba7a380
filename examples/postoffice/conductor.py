"""Starts the programs of the demo, passes on what they say, and ends them all."""

import argparse
import asyncio
import contextlib
import io
import os
import signal
import sys
from pathlib import Path

from instance import DemoError, PortChoice, choose_port, choosing_ports, claim_directory, reachable

HERE = Path(__file__).resolve().parent

PORT = 8000
SMTP_PORT = 8025
#: Seconds that site and SMTP server have to listen, and all of them to end, before they are given up.
START_PATIENCE = 30.0
STOP_PATIENCE = 10.0

COLOURS = {"site": 36, "worker": 32, "smtp": 35, "setup": 33, "demo": 1}
TITLES = {"site": "The site", "worker": "The worker", "smtp": "The SMTP server", "setup": "The set-up"}

#: Ends the processes named on its command line when its input ends without a word: the demo was killed.
GUARD = """
import os, signal, sys
if not sys.stdin.read():
    for process in map(int, sys.argv[1:]):
        try:
            os.kill(process, signal.SIGTERM)
        except ProcessLookupError:
            pass
"""


class Terminal:
    """Prints whole lines, each with the name of who says it."""

    def __init__(self) -> None:
        self._coloured = sys.stdout.isatty() and "NO_COLOR" not in os.environ
        encoding = sys.stdout.encoding or "ascii"
        if isinstance(sys.stdout, io.TextIOWrapper):
            sys.stdout.reconfigure(errors="replace")
        self._frame = tuple("╭─╮│╰╯" if encoding.lower().startswith("utf") else "+-+|++")

    def say(self, name: str, line: str) -> None:
        label = f"[{name}]".ljust(8)
        if self._coloured:
            label = f"\x1b[{COLOURS[name]}m{label}\x1b[0m"
        self._print(f"{label} {line}")

    def box(self, *lines: str) -> None:
        width = max(map(len, lines)) + 4
        left_top, bar, right_top, side, left_bottom, right_bottom = self._frame
        self._print(f"\n{left_top}{bar * width}{right_top}")
        for line in lines:
            self._print(f"{side}  {line.ljust(width - 4)}  {side}")
        self._print(f"{left_bottom}{bar * width}{right_bottom}\n")

    def _print(self, text: str) -> None:
        try:
            print(text, flush=True)
        except OSError:
            # Nobody reads on (`… | head`, or the terminal is gone): end as if interrupted, in silence.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            os.kill(os.getpid(), signal.SIGTERM)


class Child:
    """A program of the demo in a process group of its own, so that a Ctrl-C at the terminal reaches only the demo."""

    def __init__(self, name: str, process: asyncio.subprocess.Process, terminal: Terminal) -> None:
        self.name = name
        self.title = TITLES[name]
        self.pid = process.pid
        self._process = process
        self._terminal = terminal
        self.ended = asyncio.create_task(self._pass_on_output())

    @classmethod
    async def start(cls, name: str, *command: str | Path, environment: dict[str, str], terminal: Terminal) -> "Child":
        process = await asyncio.create_subprocess_exec(
            *command,
            cwd=HERE,
            env=environment,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            start_new_session=True,
        )
        return cls(name, process, terminal)

    @property
    def is_running(self) -> bool:
        return self._process.returncode is None

    @property
    def ending(self) -> str:
        """How it ended, in words."""
        code = self._process.returncode
        if code is not None and code < 0:
            return f"was ended by {signal.Signals(-code).name}"
        return f"ended with status {code}"

    @property
    def succeeded(self) -> bool:
        return self._process.returncode == 0

    async def wait(self) -> None:
        """Wait until it has ended and everything it said is printed; giving up waiting changes nothing."""
        await asyncio.shield(self.ended)

    def terminate(self) -> None:
        """Ask it to end; what it has started is its own business."""
        if self.is_running:
            self._process.terminate()

    def kill(self) -> None:
        """End it and what it has started, at once."""
        if self.is_running:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.pid, signal.SIGKILL)

    async def _pass_on_output(self) -> None:
        output = self._process.stdout
        assert output is not None
        reading = asyncio.create_task(self._read(output))
        await self._process.wait()
        # A grandchild may still hold the pipe; the process itself has said all it had to say.
        await asyncio.wait([reading], timeout=0.5)
        reading.cancel()

    async def _read(self, output: asyncio.StreamReader) -> None:
        while True:
            try:
                line = await output.readline()
            except ValueError:  # longer than the reader's limit: the rest of it follows
                continue
            if not line:
                return
            if text := line.decode("utf-8", "replace").rstrip():
                self._terminal.say(self.name, text)


class Demo:
    """Starts everything, waits for the end, and ends everything."""

    def __init__(self, options: argparse.Namespace, terminal: Terminal) -> None:
        self._options = options
        self._terminal = terminal
        #: Begun in tasks of their own, so that an interrupt never leaves a program that nobody knows of.
        self._starting: list[asyncio.Task[Child]] = []
        self._guarding: asyncio.Task[asyncio.subprocess.Process] | None = None
        self._children: list[Child] = []
        self._interrupted = asyncio.Event()
        self._interrupts = 0

    async def run(self) -> int:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            loop.add_signal_handler(number, self._interrupt)
        try:
            with claim_directory(self._options.directory) as directory:
                working = asyncio.create_task(self._work(directory))
                interrupted = asyncio.create_task(self._interrupted.wait())
                try:
                    await asyncio.wait([working, interrupted], return_when=asyncio.FIRST_COMPLETED)
                    if working.done():
                        return working.result()
                    self._terminal.say("demo", "Stopping. Tasks not yet done wait for the next start.")
                    return 0
                finally:
                    interrupted.cancel()
                    working.cancel()
                    await asyncio.gather(working, return_exceptions=True)
                    await self._stop()
        except DemoError as error:
            self._terminal.say("demo", str(error))
            return 1

    def _interrupt(self) -> None:
        self._interrupts += 1
        self._interrupted.set()
        if self._interrupts > 1:
            for child in self._children:
                child.kill()

    async def _work(self, directory: Path) -> int:
        """Set up, start, show the address, and wait until a program ends, which none should; the exit status."""
        host = self._options.host
        environment = self._environment(directory)
        setup = await self._start("setup", sys.executable, "manage.py", "prepare", environment=environment)
        await setup.wait()
        if not setup.succeeded:
            raise DemoError("The database could not be set up: see above.")
        # One demo at a time chooses ports, so that two that start together do not choose the same.
        async with choosing_ports():
            port = self._said(choose_port(option="--port", asked=self._options.port, default=PORT, host=host))
            smtp_port = self._said(
                choose_port(
                    option="--smtp-port",
                    asked=self._options.smtp_port,
                    default=SMTP_PORT,
                    host="127.0.0.1",
                    avoid={port},
                )
            )
            environment["POSTOFFICE_SMTP_PORT"] = str(smtp_port)
            await self._start_programs(directory, environment, port=port, smtp_port=smtp_port)
            await self._wait_until_listening("smtp", "127.0.0.1", smtp_port)
            await self._wait_until_listening("site", host, port)
        address = f"http://{host if ':' not in host else f'[{host}]'}:{port}/"
        self._terminal.box(f"The post office is open: {address}", "Ctrl-C closes it.")
        return await self._watch()

    def _environment(self, directory: Path) -> dict[str, str]:
        environment = dict(os.environ)
        environment |= {
            "DJANGO_SETTINGS_MODULE": "postoffice.settings",
            "DJANGO_RUNSERVER_HIDE_WARNING": "true",
            "POSTOFFICE_DIRECTORY": str(directory),
            "PYTHONUNBUFFERED": "1",
        }
        if self._options.host not in {"127.0.0.1", "localhost", "::1"}:
            environment["POSTOFFICE_HOSTS"] = "*"
        return environment

    async def _start(self, name: str, *command: str | Path, environment: dict[str, str]) -> Child:
        starting = asyncio.create_task(Child.start(name, *command, environment=environment, terminal=self._terminal))
        self._starting.append(starting)
        child = await asyncio.shield(starting)
        self._children.append(child)
        return child

    async def _start_programs(self, directory: Path, environment: dict[str, str], *, port: int, smtp_port: int) -> None:
        python, host = sys.executable, self._options.host
        smtp = (python, "smtp_server.py", "--port", str(smtp_port), "--mailbox", directory / "mailbox")
        site = (python, "manage.py", "runserver", "--noreload", f"[{host}]:{port}" if ":" in host else f"{host}:{port}")
        concurrency = str(self._options.concurrency)
        worker = (python, "-m", "celeriac", "-A", "postoffice", "worker", "--concurrency", concurrency)
        for name, command in (("smtp", smtp), ("worker", worker), ("site", site)):
            await self._start(name, *command, environment=environment)
        pids = [str(child.pid) for child in self._children if child.is_running]
        self._guarding = asyncio.create_task(
            asyncio.create_subprocess_exec(
                python, "-c", GUARD, *pids, stdin=asyncio.subprocess.PIPE, start_new_session=True
            )
        )
        await asyncio.shield(self._guarding)

    def _said(self, choice: PortChoice) -> int:
        if choice.instead_of is not None:
            self._terminal.say("demo", f"Port {choice.instead_of} is in use by another program; using {choice.port}.")
        return choice.port

    async def _wait_until_listening(self, name: str, host: str, port: int) -> None:
        child = next(child for child in self._children if child.name == name)
        deadline = asyncio.get_running_loop().time() + START_PATIENCE
        while child.is_running:
            try:
                _, writer = await asyncio.open_connection(reachable(host), port)
            except OSError:
                if asyncio.get_running_loop().time() > deadline:
                    raise DemoError(
                        f"{child.title} did not listen on port {port} within {START_PATIENCE:g} s."
                    ) from None
                await asyncio.sleep(0.05)
            else:
                writer.close()
                return
        await child.wait()
        raise DemoError(f"{child.title} {child.ending} before it listened on port {port}: see above.")

    async def _watch(self) -> int:
        running = [child for child in self._children if child.is_running]
        await asyncio.wait([child.ended for child in running], return_when=asyncio.FIRST_COMPLETED)
        for child in running:
            if child.ended.done():
                self._terminal.say("demo", f"{child.title} {child.ending} unasked. Stopping the rest.")
        return 1

    async def _stop(self) -> None:
        """The site and the worker end first; the SMTP server stays for the letters that are being handed to it."""
        started = await asyncio.gather(*self._starting, return_exceptions=True)
        self._children = [child for child in started if isinstance(child, Child)]
        await self._end([child for child in self._children if child.name != "smtp"])
        await self._end([child for child in self._children if child.name == "smtp"])
        if self._guarding is not None:
            guard = await self._guarding
            assert guard.stdin is not None
            with contextlib.suppress(ConnectionError):
                guard.stdin.write(b"All has ended.\n")
                guard.stdin.close()
            await guard.wait()

    async def _end(self, children: list[Child]) -> None:
        if not children:
            return
        for child in children:
            child.terminate()
        _, stubborn = await asyncio.wait([child.ended for child in children], timeout=STOP_PATIENCE)
        for child in children:
            if child.ended in stubborn:
                self._terminal.say("demo", f"{child.title} did not end within {STOP_PATIENCE:g} s; killing it.")
                child.kill()
        if stubborn:
            await asyncio.wait(stubborn)
