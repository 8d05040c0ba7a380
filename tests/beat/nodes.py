"""Nodes that are schedulers too (``celeriac worker --beat``), as real processes on the app of the storms."""

import contextlib
import os
import signal
import subprocess
import sys
from pathlib import Path

import psutil

from celeriac import Celeriac
from celeriac.routing import Exchange, Queue
from celeriac.testing.conformance.harness import until
from celeriac.timetables.base import Timetable
from tests.beat.clockwork import MODULE, QUEUE, Clockwork

__all__ = ["Node", "Nodes"]

_PATIENCE = 60.0


class Node:
    """One node with all its processes."""

    def __init__(self, directory: Path, name: str, log_path: Path, *, beat: bool) -> None:
        self.name = name
        self.log_path = log_path
        with log_path.open("ab") as log:
            self.process = subprocess.Popen(
                [
                    *(sys.executable, "-m", "celeriac", "-A", MODULE, "worker", "-n", name, "-c", "2"),
                    *("--loglevel", "WARNING", *(["--beat"] if beat else [])),
                ],
                cwd=directory,
                stdout=log,
                stderr=subprocess.STDOUT,
                env=os.environ | {"PYTHONUNBUFFERED": "1"},
            )

    def family(self) -> list[psutil.Process]:
        """Return the node's process and all below it."""
        with contextlib.suppress(psutil.NoSuchProcess):
            node = psutil.Process(self.process.pid)
            return [node, *node.children(recursive=True)]
        return []

    def members(self, kind: str) -> list[psutil.Process]:
        """Return those of a kind: ``app``, ``child``, or ``fork server``."""
        found = []
        for each in self.family()[1:]:
            with contextlib.suppress(psutil.NoSuchProcess):
                if _kind(each.name()) == kind:
                    found.append(each)
        return found

    def kill(self) -> None:
        """Kill the node's own process; the others see to their end themselves."""
        self.process.kill()
        self.process.wait()

    def end(self) -> None:
        """Have it end as it is meant to end."""
        for each in self.family():
            with contextlib.suppress(psutil.NoSuchProcess):
                each.send_signal(signal.SIGCONT)
        self.process.terminate()
        self.process.wait(_PATIENCE)

    def destroy(self) -> None:
        """End all of it at once."""
        family = self.family()
        if self.process.poll() is None:
            self.kill()
        for each in family:
            with contextlib.suppress(psutil.NoSuchProcess):
                each.kill()


class Nodes:
    """Some nodes on one app, by name."""

    def __init__(self, clockwork: Clockwork) -> None:
        self.clockwork = clockwork
        stores = clockwork.stores
        self.app = Celeriac(MODULE, broker=stores.broker, backend=stores.backend, set_as_current=False)
        self.app.conf.task_queues = [Queue(QUEUE, Exchange(QUEUE, "topic"), routing_key="run")]
        self.app.conf.task_default_queue = QUEUE
        self.timetable: Timetable = self.app.timetable()
        self.running: dict[str, Node] = {}

    def start(self, name: str, *, beat: bool = True) -> Node:
        """Start one, or another one in its place."""
        directory = self.clockwork.directory
        node = Node(directory, name, directory / f"{name}.log", beat=beat)
        self.running[name] = node
        return node

    @property
    def logs(self) -> str:
        """What all of them have logged, the end of it."""
        paths = sorted(self.clockwork.directory.glob("*.log"))
        return "\n".join(f"{path.name}\n{path.read_text(errors='replace')[-3000:]}" for path in paths)

    def leader(self) -> tuple[Node, int] | None:
        """Return the node that leads and the id of the process that does; None if none of these does."""
        leader = self.timetable.leader()
        if leader is None:
            return None
        pid = int(leader.name.rpartition(":")[2])
        for node in self.running.values():
            if any(each.pid == pid for each in node.family()):
                return node, pid
        return None

    def await_leader(self) -> tuple[Node, int]:
        """Wait until one leads."""
        found = until(self.leader, timeout=_PATIENCE)
        assert found is not None
        return found

    def await_claimed(self, moment: float) -> None:
        """Wait until what is due up to a moment, maybe one to come, has been claimed, and nothing is pending."""

        def is_claimed() -> bool:
            if self.timetable.now() < moment or self.timetable.due(1, now=moment).states:
                return False
            return not self.timetable.pending(1, 1)

        until(is_claimed, timeout=_PATIENCE, pause=0.1)

    def end(self) -> None:
        """End all as they are meant to end."""
        for node in self.running.values():
            node.end()
        self.running.clear()

    def close(self) -> None:
        """End whatever runs."""
        for node in self.running.values():
            node.destroy()
        self.timetable.close()
        self.app.close()


def _kind(process_name: str) -> str:
    if process_name.startswith("child-"):
        return "child"
    return "app" if process_name == "celeriac-app" else "fork server"
