"""What befalls the nodes and their servers, at random, and how long each harm may excuse that nothing is published."""

import contextlib
import os
import random
import signal
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import NamedTuple

import psutil

from celeriac.exceptions import OperationalError
from tests.beat.nodes import Node, Nodes
from tests.servers.rabbit_server import RabbitServer
from tests.servers.redis_server import RedisServer

__all__ = ["FAIL_OVER", "Storm", "Weather", "Window"]

#: Seconds after which another one publishes, if the leader is gone or the server is back.
FAIL_OVER = 10.0


class Window(NamedTuple):
    """A time for which nobody can be expected to publish."""

    begin: float
    end: float
    why: str


@dataclass(frozen=True, kw_only=True)
class Weather:
    """How hard a storm is."""

    seconds: float
    seed: int
    #: Seconds between two events, from and to.
    pause: tuple[float, float] = (2.0, 8.0)
    #: Seconds for which a process is stopped, from and to.
    stop: tuple[float, float] = (1.0, 20.0)
    #: Seconds for which a server is away, from and to.
    away: tuple[float, float] = (0.0, 3.0)


@dataclass
class Storm:
    """Harms nodes and servers; ``rage`` does it and returns when all of them run again."""

    nodes: Nodes
    servers: list[RedisServer | RabbitServer]
    weather: Weather
    #: A process that is stopped may hold the lock of the file, which holds up everybody.
    has_lock: bool = False
    events: Counter[str] = field(default_factory=Counter)
    story: list[str] = field(default_factory=list)
    windows: list[Window] = field(default_factory=list)
    #: What is stopped: until when, and the ids of the processes.
    _stopped: list[tuple[float, list[int]]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._chance = random.Random(self.weather.seed)

    def rage(self) -> None:
        """Do one thing after the other."""
        deeds: dict[Callable[[], None], int] = {
            self._kill_node: 4,
            self._kill_scheduler: 6,
            self._kill_fork_server: 2,
            self._kill_child: 6,
            self._stop_scheduler: 5,
            self._stop_node: 4,
        }
        if self.servers:
            deeds[self._kill_server] = 1
            deeds[self._restart_server] = 1
        deadline = time.monotonic() + self.weather.seconds
        while time.monotonic() < deadline:
            time.sleep(self._chance.uniform(*self.weather.pause))
            self._continue()
            [deed] = self._chance.choices(list(deeds), list(deeds.values()))
            deed()
        self.calm()

    def calm(self) -> None:
        """Have all run that is stopped or away. Safe to call twice."""
        self._continue(everybody=True)
        for server in self.servers:
            if not server.is_running:
                server.start()

    def _note(self, what: str, begin: float, seconds: float, *, harms: bool) -> None:
        self.events[what] += 1
        self.story.append(f"{begin:.3f} {what}")
        if harms:
            self.windows.append(Window(begin, begin + seconds, what))

    def _victim(self) -> Node:
        """Return a node: the one that leads is the one that hurts."""
        with contextlib.suppress(OperationalError):
            leader = self.nodes.leader()
            if leader is not None and self._chance.random() < 0.6:
                return leader[0]
        return self._chance.choice(list(self.nodes.running.values()))

    # What is done.

    def _kill_node(self) -> None:
        node = self._victim()
        began = time.time()
        node.kill()
        self._note("node killed", began, FAIL_OVER, harms=True)
        self.nodes.start(node.name)

    def _kill_scheduler(self) -> None:
        self._kill_member("app", harms=True)

    def _kill_fork_server(self) -> None:
        self._kill_member("fork server", harms=False)

    def _kill_child(self) -> None:
        self._kill_member("child", harms=False)

    def _kill_member(self, kind: str, *, harms: bool) -> None:
        node = self._victim()
        members = node.members(kind)
        if members:
            began = time.time()
            with contextlib.suppress(psutil.NoSuchProcess):
                self._chance.choice(members).kill()
            self._note(f"{kind} killed", began, FAIL_OVER, harms=harms)

    def _stop_scheduler(self) -> None:
        node = self._victim()
        self._stop("app stopped", node.members("app"))

    def _stop_node(self) -> None:
        node = self._victim()
        self._stop("node stopped", node.family())

    def _stop(self, what: str, processes: list[psutil.Process]) -> None:
        if len(self._stopped) > 1 or not processes:
            return  # one goes on
        began, seconds = time.time(), self._chance.uniform(*self.weather.stop)
        pids = []
        for process in processes:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.send_signal(signal.SIGSTOP)
                pids.append(process.pid)
        self._stopped.append((time.monotonic() + seconds, pids))
        self._note(f"{what} for {seconds:.1f} s", began, FAIL_OVER + (seconds if self.has_lock else 0), harms=True)

    def _continue(self, *, everybody: bool = False) -> None:
        now = time.monotonic()
        for until_, pids in list(self._stopped):
            if everybody or until_ <= now:
                self._stopped.remove((until_, pids))
                for pid in pids:
                    with contextlib.suppress(ProcessLookupError):
                        os.kill(pid, signal.SIGCONT)

    def _kill_server(self) -> None:
        server = self._chance.choice(self.servers)
        self._take_away(server, server.kill, "killed")

    def _restart_server(self) -> None:
        server = self._chance.choice(self.servers)
        self._take_away(server, server.stop, "stopped")

    def _take_away(self, server: RedisServer | RabbitServer, end: Callable[[], None], what: str) -> None:
        began = time.time()
        end()
        time.sleep(self._chance.uniform(*self.weather.away))
        server.start()
        self._note(f"{server.name} {what}", began, time.time() - began + FAIL_OVER, harms=True)
