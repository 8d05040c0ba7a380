"""The timetable is there, and the broker is not."""

import threading
from collections.abc import Iterator
from contextlib import closing
from datetime import datetime
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from celeriac import Celeriac
from celeriac.app.periodic import code_entries
from celeriac.beat.beat import Beat
from celeriac.testing.conformance.harness import until
from celeriac.timetables.base import Timetable
from tests.redis.key_space import own_keys
from tests.servers.proxy import Proxy
from tests.timetables.scheduler import timetable_at


class Desk:
    """A scheduler whose messages go to Redis through a proxy, and whose timetable is a file."""

    def __init__(self, directory: Path, broker: str, proxy: Proxy) -> None:
        self.proxy = proxy
        self.app = Celeriac("desk", broker=proxy.url(broker), backend="disabled://", set_as_current=False)
        self.app.conf.broker_publish_timeout = 0.3
        self.app.conf.beat_schedule = {"report": {"task": "work", "schedule": 0.5}}
        self._direct = Celeriac("direct", broker=broker, backend="disabled://", set_as_current=False)
        self.timetable: Timetable = timetable_at(f"sqlite:///{directory}/timetable.sqlite3", self.app.broker)
        self.beat = Beat(self.app, self.timetable, name="beat")
        self._thread = threading.Thread(target=self.beat.run, args=(code_entries(self.app),), daemon=True)
        self._thread.start()

    def moments(self) -> list[float]:
        """Return the due moments of the runs that were published, in the order in which they came."""
        waiting = self._direct.broker.peek("celery", 1000)
        return [datetime.fromisoformat(message.headers["celeriac-due"]).timestamp() for message in waiting]

    def close(self) -> None:
        self.beat.stop()
        self._thread.join(10)
        assert not self._thread.is_alive()
        self.timetable.close()
        self.app.close()
        self._direct.close()


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    with own_keys() as url, Proxy(urlsplit(url).port) as proxy, closing(Desk(tmp_path, url, proxy)) as desk:
        yield desk


def test_when_the_broker_is_back_a_run_comes_late_and_not_one_for_each_moment_it_was_away(desk):
    until(lambda: len(desk.moments()) >= 2)
    desk.proxy.refuse()
    gone_at = desk.timetable.now()
    until(lambda: desk.timetable.pending(0))
    until(lambda: desk.timetable.now() - gone_at > 4)
    back_at = desk.timetable.now()
    desk.proxy.accept()
    until(lambda: max(desk.moments()) > back_at)
    # What was claimed when the broker went, and the latest one when it came back.
    late = [moment for moment in desk.moments() if gone_at < moment < back_at - 0.5]
    assert len(late) <= 2
    assert len(set(desk.moments())) == len(desk.moments())
    assert not desk.timetable.pending(0)
