"""The ensemble: programs that start together, are watched, and end together."""

import asyncio
import contextlib
import signal
import sys
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Final

from celeriac.cli.development import guard
from celeriac.cli.development.program import Program
from celeriac.cli.development.running_program import RunningProgram
from celeriac.cli.development.terminal import Terminal
from celeriac.supervision.ending import Ending

__all__ = ["Ensemble"]

#: A program that ran at least so many seconds before something killed it is started again at once.
_SOUND: Final = 5.0


class Ensemble:
    """Runs programs until a Ctrl-C, whatever becomes of each.

    A program that ends by itself is started again when a file changes, because its code or settings are wrong; one that
    was killed after it had run for a while is started again at once. Where nothing ``restarts``, the end of one is the
    end of all.

    A Ctrl-C (or SIGTERM, or SIGHUP) asks all to end and waits for them; a second one does not wait, a third one kills.
    Should this process be killed, the guard ends what is left.
    """

    def __init__(self, terminal: Terminal, *, speaker: str, restarts: bool = True) -> None:
        """``speaker`` is the name under which the ensemble itself speaks."""
        self._terminal = terminal
        self._speaker = speaker
        self._restarts = restarts
        self._running: dict[str, RunningProgram] = {}
        #: Starts in tasks of their own, so that an interrupt never leaves a process that nobody knows of.
        self._starting: set[asyncio.Task[RunningProgram]] = set()
        self._keeping: list[asyncio.Task[None]] = []
        self._status = 0
        self._interrupts = 0
        self._ending = asyncio.Event()
        self._changes = 0
        self._changed = asyncio.Event()
        self._guard: asyncio.subprocess.Process | None = None
        self._guarded = asyncio.Event()
        terminal.on_gone = self._ending.set

    async def run(self, play: Callable[[], Awaitable[None]]) -> int:
        """Run ``play``, which begins programs, until an interrupt; then end everything. Return the exit status.

        What ``play`` raises ends everything, too, and is raised.
        """
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            loop.add_signal_handler(number, self.interrupt)
        guarding = asyncio.create_task(self._keep_guard())
        playing = asyncio.create_task(_run(play))
        playing.add_done_callback(self._note_play)
        try:
            await self._ending.wait()
        finally:
            await _cancel(playing, *self._keeping)
            await self._stop()
            await _cancel(guarding)
            await self._dismiss_guard()
        if playing.done() and not playing.cancelled() and (error := playing.exception()) is not None:
            raise error
        return self._status

    def begin(self, *programs: Program) -> None:
        """Start programs, and keep them running."""
        self._keeping += [asyncio.create_task(self._keep(program)) for program in programs]

    async def complete(self, program: Program) -> Ending:
        """Run a program to its end, and return how it ended."""
        running = await self._start(program)
        await asyncio.shield(running.ended)
        return running.ending

    def interrupt(self) -> None:
        """Begin to end; called again, end faster."""
        self._interrupts += 1
        self._ending.set()
        self._terminal.forget_line()
        for running in self._running.values():
            if self._interrupts == 2:
                running.stop_hard()
            elif self._interrupts > 2:
                running.kill()

    def note_change(self) -> None:
        """A file has changed."""
        self._changes += 1
        self._changed.set()

    def say(self, sentence: str) -> None:
        """Say something of the ensemble's own."""
        self._terminal.say(self._speaker, sentence)

    def _note_play(self, playing: asyncio.Task[None]) -> None:
        if not playing.cancelled() and playing.exception() is not None:
            self._ending.set()

    async def _keep(self, program: Program) -> None:
        """Keep one program running."""
        while True:
            changes = self._changes
            try:
                running = await self._start(program)
            except OSError as error:
                self._give_up(f"{program.title} cannot be started: {error}.")
                return
            await asyncio.shield(running.ended)
            how = f"{program.title} {running.ending.describe()}"
            if not self._restarts:
                self._give_up(f"{how} unasked. Stopping the rest.")
                return
            was_sound = running.ending.signal is not None and time.monotonic() - running.began >= _SOUND
            self.say(f"{how}; it starts again{'.' if was_sound else ' when a file changes.'}")
            if not was_sound:
                await self._wait_for_change(since=changes)

    def _give_up(self, sentence: str) -> None:
        self.say(sentence)
        self._status = 1
        self._ending.set()

    async def _wait_for_change(self, *, since: int) -> None:
        while self._changes == since:
            self._changed.clear()
            await self._changed.wait()

    async def _start(self, program: Program) -> RunningProgram:
        await self._guarded.wait()
        starting = asyncio.create_task(RunningProgram.start(program, self._terminal))
        self._starting.add(starting)
        starting.add_done_callback(self._note_start)
        return await asyncio.shield(starting)

    def _note_start(self, starting: asyncio.Task[RunningProgram]) -> None:
        self._starting.discard(starting)
        if not starting.cancelled() and starting.exception() is None:
            running = starting.result()
            self._running[running.program.name] = running
            self._tell_guard(f"+ {running.pid} {running.program.patience or 0:g}")
            running.ended.add_done_callback(lambda _: self._tell_guard(f"- {running.pid}"))

    # The end.

    async def _stop(self) -> None:
        if self._starting:
            await asyncio.wait(self._starting)
        running = [each for each in self._running.values() if each.is_running]
        if running:
            self.say("Stopping. What runs may finish; Ctrl-C again stops it at once.")
        for is_last in (False, True):
            await asyncio.gather(*(self._end(each) for each in running if each.program.outlives_others is is_last))

    async def _end(self, running: RunningProgram) -> None:
        running.stop()
        if self._interrupts > 1:  # came while it was being started
            running.stop_hard()
        _, stubborn = await asyncio.wait([running.ended], timeout=running.program.patience)
        if stubborn:
            self.say(f"{running.program.title} has not ended within {running.program.patience:g} s and is killed.")
            running.kill()
            await asyncio.wait(stubborn)

    # The guard.

    async def _keep_guard(self) -> None:
        """Keep a guard, also when somebody kills it."""
        while True:
            self._guard = await asyncio.create_subprocess_exec(
                sys.executable,
                "-I",
                "-S",
                str(Path(guard.__file__)),
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.DEVNULL,
                stderr=asyncio.subprocess.DEVNULL,
                start_new_session=True,
            )
            for running in self._running.values():
                if running.is_running:
                    self._tell_guard(f"+ {running.pid} {running.program.patience or 0:g}")
            self._guarded.set()
            await self._guard.wait()

    def _tell_guard(self, line: str) -> None:
        if self._guard is not None and self._guard.stdin is not None:
            with contextlib.suppress(ConnectionError):
                self._guard.stdin.write(f"{line}\n".encode())

    async def _dismiss_guard(self) -> None:
        if self._guard is not None and self._guard.stdin is not None:
            self._guard.stdin.close()
            await self._guard.wait()


async def _run(play: Callable[[], Awaitable[None]]) -> None:
    await play()


async def _cancel(*tasks: asyncio.Task[None]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
