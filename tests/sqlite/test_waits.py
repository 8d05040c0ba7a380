"""Threads that wait for results share one bell, and none of them misses its own ring."""

import threading

from celeriac.brokers.sqlite import SqliteBroker
from celeriac.sqlite.waits import Waits, _Wait


def test_a_thread_that_was_called_looks_before_it_listens_for_others(broker: SqliteBroker) -> None:
    broker.open()
    waits = Waits(broker.database)
    wait = _Wait(["task"])
    bell = waits._enter(wait)
    # The listener before it has left, and the one after that has heard its ring and left, too.
    wait.calls.put(False)
    wait.calls.put(True)
    looks: list[bool] = []

    def pause() -> None:
        looks.extend(waits._pause(wait, bell, 600.0) for _ in range(2))

    thread = threading.Thread(target=pause, daemon=True)
    thread.start()
    thread.join(10.0)
    assert looks == [False, True]
    waits.close()
