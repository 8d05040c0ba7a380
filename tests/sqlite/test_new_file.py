"""A file that is not there yet, and several who want it at once: a site and a worker that start together."""

import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from celeriac.brokers.sqlite import SqliteBroker
from celeriac.engines import broker_from_url


@pytest.fixture
def hasty_threads() -> Iterator[None]:
    """Let threads take turns a hundred times as often."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(0.00005)
    yield
    sys.setswitchinterval(before)


@pytest.mark.usefixtures("hasty_threads")
def test_all_who_open_a_new_file_at_once_can_use_it(tmp_path: Path) -> None:
    errors: list[Exception] = []

    def use(broker: SqliteBroker, together: threading.Barrier) -> None:
        together.wait()
        try:
            broker.open()
            broker.size("celery")
        except Exception as error:  # noqa: BLE001 - whatever it is, it is what this test is about
            errors.append(error)
        broker.close()

    for round_ in range(60):
        together = threading.Barrier(6)
        brokers = [broker_from_url(f"sqlite:///{tmp_path}/{round_}.sqlite3") for _ in range(6)]
        threads = [threading.Thread(target=use, args=(broker, together)) for broker in brokers]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert errors == []
