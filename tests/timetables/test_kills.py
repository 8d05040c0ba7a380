"""``kill -9`` of any scheduler at any moment: each due moment is claimed once, and its run published."""

import random
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from celeriac.engines import broker_from_url
from celeriac.run_id import run_id
from celeriac.schedule_entry import ScheduleEntry
from celeriac.testing.conformance.harness import until
from tests.redis.key_space import own_keys
from tests.timetables import scheduler as program
from tests.timetables.scheduler import timetable_at

ENTRIES = [f"entry-{number}" for number in range(6)]
FIRST, LAST = 1000.0, 2000.0
#: Schedulers killed, and how many of them run at the same time.
ROUNDS, TOGETHER = 12, 3

#: Where broker and timetable are, by the name of the case.
PLACES = ("one file", "two files", "one database", "two databases")


@contextmanager
def places(case: str, directory: Path) -> Iterator[tuple[str, str]]:
    """Give the URLs of a broker and of a timetable."""
    with ExitStack() as stack:
        match case:
            case "one file" | "two files":
                url = f"sqlite:///{directory}/messages.sqlite3"
                yield url, url if case == "one file" else f"sqlite:///{directory}/timetable.sqlite3"
            case _:
                url = stack.enter_context(own_keys(14))
                yield url, url if case == "one database" else stack.enter_context(own_keys(15))


@pytest.mark.parametrize("case", PLACES)
def test_schedulers_killed_at_random_moments_publish_every_run(case: str, tmp_path: Path) -> None:
    with places(case, tmp_path) as (broker_url, timetable_url):
        broker = broker_from_url(broker_url)
        timetable = timetable_at(timetable_url, broker)
        assert timetable.publishes is case.startswith("one")
        entries = [ScheduleEntry(name=name, task="t", schedule={"every": 1}) for name in ENTRIES]
        timetable.sync("code", entries, lambda _: FIRST)

        log = tmp_path / "claimed"
        run_and_kill([broker_url, timetable_url, str(log), str(LAST)], log)

        published = Counter(message.id for message in broker.peek("q", 10_000_000))
        dues = [FIRST + number for number in range(int(LAST - FIRST) + 1)]
        assert set(published) == {run_id(timetable.namespace(), name, due) for name in ENTRIES for due in dues}
        if timetable.publishes:
            assert set(published.values()) == {1}
        assert Counter(log.read_text().splitlines()).most_common(1)[0][1] == 1, "Two have had one claim."
        assert timetable.pending(0) == []
        for name in ENTRIES:
            state = timetable.get(name)
            assert state is not None
            assert (state.runs_total, state.next_at, state.last_due) == (len(dues), None, LAST)
            history = timetable.history(name)
            assert [record.due for record in history] == dues[:-101:-1]
            assert all(record.published_at for record in history)
        timetable.close()
        broker.close()


def run_and_kill(arguments: list[str], log: Path) -> None:
    """Start schedulers, killing one after the other; the last ones end by themselves, with their work."""
    moments = random.Random(20261126)
    running: list[subprocess.Popen[bytes]] = []
    killed = 0

    def start() -> None:
        running.append(subprocess.Popen([sys.executable, program.__file__, *arguments]))

    def is_working(size: int) -> bool:
        return (log.exists() and log.stat().st_size > size) or running[0].poll() is not None

    for _ in range(ROUNDS):
        size = log.stat().st_size if log.exists() else 0
        start()
        if len(running) < TOGETHER:
            continue
        until(lambda size=size: is_working(size))  # type: ignore[misc]
        victim = running.pop(0)
        try:
            victim.wait(moments.uniform(0, 0.03))
        except subprocess.TimeoutExpired:
            victim.kill()
        killed += victim.wait() == -9
    assert killed > ROUNDS / 2, "The work was done before most of them could be killed."
    start()
    for process in running:
        assert process.wait(60) == 0
