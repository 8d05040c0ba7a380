"""The heart of a node: what monitors hear of it, and that nobody minds when the broker is away."""

import json
import threading
from typing import Any

import pytest

from celeriac.brokers.base import Broadcast, Channel, Subscription
from celeriac.brokers.memory import MemoryBroker
from celeriac.brokers.memory_store import MemoryStore
from celeriac.events.dispatcher import EventDispatcher, event_channel
from celeriac.exceptions import BrokerUnavailable
from celeriac.worker.heart import Heart
from celeriac.worker.status import Status


class Unreliable(MemoryBroker):
    """A broker that can be away."""

    is_away = False

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.refused = threading.Event()

    def broadcast(self, channel: Channel, broadcast: Broadcast) -> None:
        if self.is_away:
            self.refused.set()
            raise BrokerUnavailable("The broker is away.")
        super().broadcast(channel, broadcast)


@pytest.fixture
def broker() -> Unreliable:
    return Unreliable(store=MemoryStore())


@pytest.fixture
def heart(broker: Unreliable) -> Heart:
    status = Status(hostname="n@h", executor="processes", concurrency=2, queues=["celery"])
    status.active = 3
    status.count("SUCCESS")
    status.count("FAILURE")
    return Heart(EventDispatcher(broker, hostname="n@h"), status, interval=0.02)


def events(subscription: Subscription, count: int) -> list[dict[str, Any]]:
    """Wait for so many events."""
    heard: list[dict[str, Any]] = []
    while len(heard) < count:
        arrived = subscription.receive(10)
        assert arrived, f"after 10 s {len(heard)} of {count} events: {heard}"
        heard += [json.loads(broadcast.body) for broadcast in arrived]
    return heard


def test_monitors_hear_of_a_node_from_its_beginning_to_its_end(broker: Unreliable, heart: Heart) -> None:
    subscription = broker.subscribe(event_channel())
    with heart:
        heard = events(subscription, 3)
    heard += events(subscription, 1)
    types = [event["type"] for event in heard]
    assert types[:3] == ["worker-online", "worker-heartbeat", "worker-heartbeat"]
    assert types[-1] == "worker-offline"
    assert types.count("worker-offline") == 1
    first = heard[0]
    assert (first["active"], first["processed"], first["freq"]) == (3, 2, 0.02)
    assert (first["sw_ident"], len(first["loadavg"])) == ("py-celeriac", 3)
    assert first["sw_ver"]
    assert first["sw_sys"]
    clocks = [event["clock"] for event in heard]
    assert clocks == sorted(set(clocks))


def test_after_an_outage_a_node_comes_online_again(
    broker: Unreliable, heart: Heart, caplog: pytest.LogCaptureFixture
) -> None:
    subscription = broker.subscribe(event_channel())
    with heart:
        events(subscription, 2)
        broker.is_away = True
        assert broker.refused.wait(10)
        subscription.receive(0)  # what was said before
        broker.is_away = False
        assert events(subscription, 1)[0]["type"] == "worker-online"
    assert not caplog.records, "the intake's log tells of outages"


def test_a_node_that_could_say_nothing_ends_all_the_same(broker: Unreliable, heart: Heart) -> None:
    broker.is_away = True
    subscription = broker.subscribe(event_channel())
    with heart:
        pass
    assert not subscription.receive(0)
