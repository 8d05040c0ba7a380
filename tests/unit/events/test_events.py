"""Events: what monitors are told, in the form that Celery's read."""

import os
import threading
import time

from celeriac.brokers.memory import MemoryBroker
from celeriac.brokers.memory_store import MemoryStore
from celeriac.events import EventDispatcher, LamportClock
from celeriac.events.dispatcher import event_channel
from celeriac.protocol.serialization import loads


def test_an_event_is_said_as_celerys_monitors_read_it() -> None:
    broker = MemoryBroker(store=MemoryStore())
    subscription = broker.subscribe(event_channel(), "worker.#")
    before = time.time()
    dispatcher = EventDispatcher(broker, hostname="celeriac@host", clock=LamportClock(41))
    dispatcher.send("worker-heartbeat", freq=2.0, active=1)
    dispatcher.send("task-received", uuid="x")
    [broadcast] = subscription.receive(5)
    assert broadcast.routing_key == "worker.heartbeat"
    assert broadcast.headers == {"hostname": "celeriac@host"}
    assert (broadcast.content_type, broadcast.content_encoding) == ("application/json", "utf-8")
    event = loads(broadcast.body, broadcast.content_type, broadcast.content_encoding, ["json"])
    timestamp = event.pop("timestamp")
    assert before <= timestamp <= time.time()
    assert isinstance(event.pop("utcoffset"), int)
    assert event == {
        "type": "worker-heartbeat",
        "hostname": "celeriac@host",
        "pid": os.getpid(),
        "clock": 42,
        "freq": 2.0,
        "active": 1,
    }


def test_the_clock_is_ahead_of_all_it_has_heard_of() -> None:
    clock = LamportClock()
    assert clock.forward() == 1
    assert clock.adjust(10) == 11
    assert clock.adjust(3) == 12
    assert clock.forward() == clock.value == 13


def test_no_two_threads_get_one_number() -> None:
    clock = LamportClock()
    numbers: list[int] = []
    threads = [threading.Thread(target=lambda: numbers.extend(clock.forward() for _ in range(500))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(numbers) == list(range(1, 2001))
