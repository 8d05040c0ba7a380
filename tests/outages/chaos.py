"""Chaos: children, nodes, connections and the server are ended at random while a producer publishes at full speed."""

import contextlib
import random
import time
from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, datetime

import psutil

from tests.outages.conftest import Fleet
from tests.outages.ground import RabbitGround
from tests.outages.journal import Entry
from tests.outages.producer import Producer
from tests.worker.conftest import Worker, wait_until

__all__ = ["Chaos", "Report"]

#: Messages that may wait at most: then the producer waits, too.
_BACKLOG = 3000
#: Seconds after the last disturbance within which everything published before it must have ended. What a killed node
#: had comes back when its lease has ended (12 s), the looks for that come every second, and then it is to be run.
CALM_PATIENCE = 15.0
#: What a machine that is busy with other tests may add.
SLACK = 5.0


@dataclass
class Report:
    """What has happened."""

    seed: int
    events: Counter[str] = field(default_factory=Counter)
    published: int = 0
    unknown: int = 0
    refused: int = 0
    executions: int = 0
    #: Seconds of the longest wait for everything to end after a disturbance, and how many such waits there were.
    longest_calm: float = 0.0
    calms: int = 0
    lost: list[int] = field(default_factory=list)
    #: Numbers run more than once, by the reason.
    doubles: Counter[str] = field(default_factory=Counter)
    unexplained: list[int] = field(default_factory=list)


class Chaos:
    """Some nodes on a server and what befalls them. ``run`` for so many seconds, then ``report``."""

    def __init__(self, fleet: Fleet, *, seed: int, nodes: int = 2) -> None:
        self._fleet = fleet
        self._chance = random.Random(seed)
        self.report = Report(seed)
        self._nodes: list[Worker] = [self._start_node() for _ in range(nodes)]
        #: Processes that were killed, and those of killed nodes.
        self._dead: set[int] = set()
        #: When single connections were reset (unix time).
        self._resets: list[float] = []
        self._ids: dict[int, str] = {}
        self._story: list[str] = []
        self._producer = Producer(self._publish, pause=0.0)
        self._events = {
            "a child killed": (30, self._kill_child),
            "a node killed": (8, self._kill_node),
            "the server killed": (6, self._kill_server),
            "the server restarted": (4, self._restart_server),
            "connections cut": (12, self._cut),
            "a reply reset": (20, self._reset),
            "silence": (8, self._silence),
        }

    def run(self, seconds: float) -> Report:
        """Let it happen; return what has."""
        until = time.monotonic() + seconds
        with self._producer:
            while time.monotonic() < until:
                for _ in range(self._chance.randrange(4, 12)):
                    self._one_event()
                    time.sleep(self._chance.random() * 1.5)
                self._calm()
        self._calm()
        self._count()
        return self.report

    def _publish(self, number: int) -> None:
        while number % 100 == 0 and len(self._producer.confirmed) - self._fleet.journal.count_ended() > _BACKLOG:
            time.sleep(0.02)
        # Without retries behind our back: what is not answered is known as such.
        self._ids[number] = self._fleet.tasks.mark.apply_async((number, 0.0), retry=False).id

    def _one_event(self) -> None:
        weights = [weight for weight, _ in self._events.values()]
        name = self._chance.choices(list(self._events), weights)[0]
        self.report.events[name] += 1
        self._story.append(f"{datetime.now(UTC):%H:%M:%S.%f} {name}, {len(self._producer.confirmed)} published")
        self._events[name][1]()

    def _calm(self) -> None:
        """Wait until all that has been published by now has ended: nothing may be stuck."""
        began = time.monotonic()
        published = set(self._producer.confirmed)
        patience = CALM_PATIENCE + SLACK
        deadline = began + patience
        while published - self._fleet.journal.ended().keys() and time.monotonic() < deadline:
            time.sleep(0.05)
        self.report.calms += 1
        self.report.longest_calm = max(self.report.longest_calm, time.monotonic() - began)
        stuck = published - self._fleet.journal.ended().keys()
        assert not stuck, f"stuck for {patience} s (seed {self.report.seed}): {self._describe(stuck)}"

    def _describe(self, numbers: set[int]) -> str:
        """Say all that is known of what is stuck."""
        first = sorted(numbers)[:10]
        journal = self._fleet.journal
        told = [f"{sorted(numbers)[:20]}; broker {self._fleet.project.app.broker.size('celery')}", *self._story[-40:]]
        for number in first:
            task_id = self._ids.get(number, "?")
            told.append(f"{number} = {task_id}: begun by {journal.begun().get(number)}")
            for worker in self._fleet.project.workers:
                told += [f"  {worker.log_path.name}: {line}" for line in worker.log.splitlines() if task_id in line]
        for worker in self._fleet.project.workers:
            told += [
                f"  {worker.log_path.name}: {line}"
                for line in [line for line in worker.log.splitlines() if "Task " not in line][-12:]
            ]
        return "\n".join(told)

    def _count(self) -> None:
        report, producer, journal = self.report, self._producer, self._fleet.journal
        report.published, report.unknown = len(producer.confirmed), len(producer.unknown)
        report.refused = len(producer.refused)
        report.lost = sorted(producer.confirmed - journal.ended().keys())
        for number, entries in journal.begun().items():
            report.executions += len(entries)
            if len(entries) < 2:
                continue
            if {entry.pid for entry in entries[:-1]} <= self._dead:
                report.doubles["its process, or its node, was killed"] += 1
            elif number in producer.unknown:
                report.doubles["published twice"] += 1
            elif self._is_of_a_reset(entries):
                report.doubles["its node alone lost its connection, which is its lease"] += 1
            else:
                report.unexplained.append(number)

    def _is_of_a_reset(self, entries: list[Entry]) -> bool:
        """Say whether a second run followed a reset of one connection: another node is given what was unsettled."""
        if not isinstance(self._fleet.ground, RabbitGround):
            return False
        first, second = entries[0].moment, entries[-1].moment
        return any(first - 1 < moment < second + 1 and second - moment < SLACK for moment in self._resets)

    # What happens.

    def _start_node(self) -> Worker:
        return self._fleet.worker(concurrency=2)

    def _kill_child(self) -> None:
        family = [each for each in self._chance.choice(self._nodes).descendants() if _is_child(each)]
        if family:
            victim = self._chance.choice(family)
            self._dead.add(victim.pid)
            with contextlib.suppress(psutil.NoSuchProcess):
                victim.kill()

    def _kill_node(self) -> None:
        index = self._chance.randrange(len(self._nodes))
        self._dead |= {process.pid for process in self._nodes[index].descendants()}
        self._nodes[index].kill()
        self._nodes[index] = self._start_node()

    def _kill_server(self) -> None:
        self._fleet.ground.server.kill()
        time.sleep(self._chance.random() * 2)
        self._fleet.ground.server.start()

    def _restart_server(self) -> None:
        self._fleet.ground.server.restart(away=self._chance.random() * 2)

    def _cut(self) -> None:
        self._fleet.ground.proxy.cut()

    def _reset(self) -> None:
        proxy, resets = self._fleet.ground.proxy, self._fleet.ground.proxy.resets
        proxy.reset_after(self._chance.randrange(1, 5000))
        self._resets.append(time.time())
        with contextlib.suppress(BaseException):
            wait_until(lambda: proxy.resets > resets, "reset", patience=1.0)

    def _silence(self) -> None:
        self._fleet.ground.proxy.silence()
        time.sleep(self._chance.random() * 6)
        self._fleet.ground.proxy.end_silence()


def _is_child(process: psutil.Process) -> bool:
    try:
        return process.name().startswith("child-")
    except psutil.NoSuchProcess:
        return False
