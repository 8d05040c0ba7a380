"""What the Redis broker promises beyond the port, about taking: lost answers, marks, rubbish, whose key is whose."""

import json
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import redis

from celeriac.brokers.base import Consumer, Delivery, Outcome, QueueSize, Settlement
from celeriac.brokers.redis import RedisBroker
from celeriac.exceptions import MessageRefused, OperationalError
from celeriac.protocol import envelope as envelopes
from celeriac.protocol import kombu_envelope
from celeriac.protocol.call_form import CallForm, FilledForm
from celeriac.protocol.message import Message
from celeriac.protocol.task_call import TaskCall, encode_task
from celeriac.routing import Queue
from celeriac.testing.conformance.harness import until
from tests.redis.key_space import own_keys
from tests.servers.proxy import Direction, Proxy
from tests.servers.shared import redis_url

DATABASE = 12
#: As the shared server lists it.
PORT = int(redis_url().rpartition(":")[2].partition("/")[0])


class Place:
    """A broker on keys of its own, a proxy to be cut, and a plain client that sees what lies there."""

    def __init__(self, url: str, proxy: Proxy) -> None:
        self.url = url
        self.prefix = url.partition("global_keyprefix=")[2].partition("&")[0]
        self.broker = RedisBroker(url)
        self.behind_proxy = RedisBroker(f"{proxy.url(url)}&socket_timeout=0.5")
        self.proxy = proxy
        self.client: Any = redis.Redis.from_url(redis_url(DATABASE))

    def publish(self, *task_ids: str, **changes: Any) -> None:
        self.broker.publish([message(task_id, **changes) for task_id in task_ids])

    def push_as_celery(self, task_id: str, **headers: Any) -> None:
        self.client.lpush(f"{self.prefix}q", celery_element(task_id, **headers))

    def elements(self, queue: str = "q") -> list[dict[str, Any]]:
        return [json.loads(element) for element in self.client.lrange(f"{self.prefix}{queue}", 0, -1)[::-1]]


@pytest.fixture
def place() -> Iterator[Place]:
    with own_keys(DATABASE) as url, Proxy(PORT) as proxy:
        place = Place(url, proxy)
        yield place
        place.client.close()
        place.behind_proxy.close()
        place.broker.close()


def message(task_id: str, **changes: Any) -> Message:
    return Message(id=task_id, queue="q", headers={"task": "t", "id": task_id}, **changes)


def celery_element(task_id: str, **headers: Any) -> str:
    """A message as kombu writes it: spaces, its own order of fields."""
    properties = {
        "correlation_id": task_id,
        "delivery_mode": 2,
        "delivery_info": {"exchange": "", "routing_key": "q"},
        "priority": 0,
        "body_encoding": "base64",
        "delivery_tag": f"tag-{task_id}",
    }
    return json.dumps(
        {
            "body": "W1tdLCB7fSwge31d",
            "content-encoding": "utf-8",
            "content-type": "application/json",
            "headers": {"lang": "py", "task": "t", "id": task_id, "eta": None} | headers,
            "properties": properties,
        }
    )


def ids(deliveries: list[Delivery]) -> list[str]:
    return [envelopes.decode(delivery.envelope).id for delivery in deliveries]


def received(consumer: Consumer, count: int) -> list[Delivery]:
    deliveries: list[Delivery] = []

    def is_enough() -> bool:
        try:
            deliveries.extend(consumer.receive(10, 1))
        except OperationalError:
            return False
        return len(deliveries) >= count

    until(is_enough)
    return deliveries


def test_messages_of_a_take_whose_answer_was_lost_are_handed_out_after_the_reconnect(place: Place) -> None:
    consumer = place.behind_proxy.consumer([Queue("q")], node="one@here")
    assert consumer.receive(10, 0.05) == []
    place.proxy.silence(Direction.TO_CLIENT)
    place.publish("a", "b", "c")
    # Nobody tells the consumer, so it looks; the server takes for it, and the answer never comes.
    with pytest.raises(OperationalError):
        consumer.receive(10, 5)
    assert place.broker.size("q") == QueueSize(in_flight=3)
    place.proxy.end_silence()
    deliveries = received(consumer, 3)
    assert ids(deliveries) == ["a", "b", "c"]
    assert len({delivery.execution for delivery in deliveries}) == 3
    assert consumer.receive(10, 0.05) == []
    assert consumer.settle([Settlement(delivery=each, outcome=Outcome.ACK) for each in deliveries]) == []
    assert place.broker.size("q") == QueueSize()
    consumer.close()


def test_a_take_that_is_done_after_its_connection_was_given_up_is_found_when_the_lease_is_renewed(place: Place) -> None:
    consumer = place.behind_proxy.consumer([Queue("q")], node="one@here")
    place.publish("a")
    assert ids(received(consumer, 1)) == ["a"]
    [in_flight] = place.client.keys(f"{place.prefix}celeriac.inflight*")
    # What a server does that was stopped with a take unread in an old connection.
    place.client.hset(in_flight, "1000:q", celery_element("b"))
    assert consumer.receive(10, 0.05) == []
    assert consumer.renew()
    assert ids(received(consumer, 1)) == ["b"]
    consumer.close()


def test_a_settlement_whose_answer_was_lost_counts_once_when_it_is_repeated(place: Place) -> None:
    consumer = place.behind_proxy.consumer([Queue("q")], node="one@here")
    place.publish("a", "b")
    first, second = received(consumer, 2)
    [in_flight] = place.client.keys(f"{place.prefix}celeriac.inflight*")
    place.client.hdel(in_flight, str(second.tag))
    settlements = [
        Settlement(delivery=first, outcome=Outcome.ACK, follow_ups=(message("next"),)),
        Settlement(delivery=second, outcome=Outcome.ACK, follow_ups=(message("never"),)),
    ]
    place.proxy.silence(Direction.TO_CLIENT)
    with pytest.raises(OperationalError):
        consumer.settle(settlements)
    assert place.client.llen(f"{place.prefix}q") == 1
    place.proxy.end_silence()
    # The second one was no longer this consumer's, and is refused; the first one is done.
    assert consumer.settle(settlements) == settlements[1:]
    assert [element["headers"]["id"] for element in place.elements()] == ["next"]
    consumer.close()


def test_what_is_given_back_bears_celery_s_mark_of_a_redelivery_and_nothing_else_is_changed(place: Place) -> None:
    place.push_as_celery("a", argsrepr='{"headers": {}, ü}')
    [before] = place.elements()
    consumer = place.broker.consumer([Queue("q")], node="one@here")
    [delivery] = received(consumer, 1)
    assert not delivery.redelivered
    consumer.settle([Settlement(delivery=delivery, outcome=Outcome.REQUEUE)])
    [after] = place.elements()
    assert after["headers"].pop("redelivered") is True
    assert after["properties"]["delivery_info"].pop("redelivered") is True
    assert after == before
    [again] = received(consumer, 1)
    assert again.redelivered
    consumer.settle([Settlement(delivery=again, outcome=Outcome.REQUEUE)])
    assert len(place.client.lrange(f"{place.prefix}q", 0, -1)[0]) == len(again.envelope)
    consumer.close()


def test_what_is_given_back_together_goes_to_the_head_in_its_order(place: Place) -> None:
    place.publish(*"abcdef")
    consumer = place.broker.consumer([Queue("q")], node="one@here")
    deliveries = consumer.receive(4, 5)
    requeue = [Settlement(delivery=each, outcome=Outcome.REQUEUE) for each in (deliveries[3], deliveries[2])]
    assert consumer.settle(requeue) == []
    assert [element["headers"]["id"] for element in place.elements()] == ["c", "d", "e", "f"]
    consumer.close()
    assert [element["headers"]["id"] for element in place.elements()] == ["a", "b", "c", "d", "e", "f"]


def test_rubbish_in_a_list_is_a_delivery_that_can_be_rejected(place: Place) -> None:
    place.client.lpush(f"{place.prefix}q", b"no json", b"{", b"\xff\x00")
    consumer = place.broker.consumer([Queue("q")], node="one@here")
    deliveries = received(consumer, 3)
    assert [delivery.envelope for delivery in deliveries] == [b"no json", b"{", b"\xff\x00"]
    requeued, *rejected = deliveries
    settlements = [Settlement(delivery=each, outcome=Outcome.REJECT, reason="What is this?") for each in rejected]
    assert consumer.settle([*settlements, Settlement(delivery=requeued, outcome=Outcome.REQUEUE)]) == []
    assert [letter.envelope for letter in place.broker.dead_letters()] == [b"\xff\x00", b"{"]
    assert place.broker.peek("q")[0].body == b"no json"
    assert place.broker.retry_dead_letters() == 2
    assert place.broker.size("q").ready == 3
    consumer.close()


def test_a_key_that_is_no_list_spoils_no_other_queue(place: Place, caplog: pytest.LogCaptureFixture) -> None:
    place.client.set(f"{place.prefix}odd", "text")
    place.publish("a", "b")
    consumer = place.broker.consumer([Queue("odd"), Queue("q")], node="one@here")
    assert ids(received(consumer, 2)) == ["a", "b"]
    assert "holds something that is no list" in caplog.text
    consumer.close()


def test_celery_s_own_record_of_unacked_messages_is_left_alone(place: Place) -> None:
    place.client.hset(f"{place.prefix}unacked", "tag", "message")
    consumer = place.broker.consumer([Queue("q")], node="one@here")
    consumer.receive(1, 0.05)
    consumer.close()
    assert place.client.hgetall(f"{place.prefix}unacked") == {b"tag": b"message"}


def test_an_eta_of_celery_s_producers_is_waited_for_in_the_server(place: Place) -> None:
    due = datetime.now(UTC) + timedelta(seconds=0.5)
    place.push_as_celery("later", eta=due.isoformat())
    place.push_as_celery("now")
    consumer = place.broker.consumer([Queue("q")], node="one@here")
    assert ids(consumer.receive(10, 5)) == ["now"]
    assert place.broker.size("q") == QueueSize(delayed=1, in_flight=1)
    [delivery] = received(consumer, 1)
    assert time.time() >= due.timestamp() - 0.01
    assert envelopes.decode(delivery.envelope).id == "later"
    assert not delivery.redelivered
    consumer.close()


def test_a_flood_of_etas_is_moved_without_filling_the_node(place: Place) -> None:
    eta = (datetime.now(UTC) + timedelta(hours=1)).isoformat()
    place.client.lpush(f"{place.prefix}q", *[celery_element(str(number), eta=eta) for number in range(500)])
    place.push_as_celery("now")
    consumer = place.broker.consumer([Queue("q")], node="one@here")
    assert ids(received(consumer, 1)) == ["now"]
    assert place.broker.size("q") == QueueSize(delayed=500, in_flight=1)
    assert place.broker.peek("q", 1)[0].not_before == pytest.approx(datetime.fromisoformat(eta).timestamp(), abs=0.01)
    consumer.close()


def test_large_messages_come_in_smaller_numbers_and_in_their_order(place: Place) -> None:
    names = list(map(str, range(60)))
    place.publish(*names, body=b"x" * 100_000)
    consumer = place.broker.consumer([Queue("q")], node="one@here")
    takes: list[list[str]] = []
    until(lambda: takes.append(ids(consumer.receive(60, 1))) or sum(map(len, takes)) == len(names))
    assert [name for take in takes for name in take] == names
    assert max(map(len, takes)) < 20
    consumer.close()


@pytest.mark.parametrize("body", [b"x", b'["eta", "redelivered": true, "' + b"x" * 10_000])
def test_marks_are_seen_beside_a_body_of_any_size(place: Place, body: bytes) -> None:
    due = datetime.now(UTC) + timedelta(hours=1)
    late = Message(id="late", queue="q", headers={"task": "t", "id": "late", "eta": due.isoformat()}, body=body)
    now = Message(id="now", queue="q", headers={"task": "t", "id": "now", "eta": None}, body=body)
    place.client.lpush(f"{place.prefix}q", *[kombu_envelope.encode(each, delivery_tag="x") for each in (late, now)])
    consumer = place.broker.consumer([Queue("q")], node="one@here")
    [delivery] = received(consumer, 1)
    assert ids([delivery]) == ["now"]
    assert not delivery.redelivered
    assert place.broker.size("q") == QueueSize(delayed=1, in_flight=1)
    consumer.settle([Settlement(delivery=delivery, outcome=Outcome.REQUEUE)])
    [delivery] = received(consumer, 1)
    assert delivery.redelivered
    consumer.close()


def test_a_full_take_of_small_messages_is_one(place: Place) -> None:
    place.publish(*map(str, range(300)))
    consumer = place.broker.consumer([Queue("q")], node="one@here")
    assert len(consumer.receive(300, 1)) == 300
    consumer.close()


def test_messages_of_one_moment_keep_the_order_of_their_publishing(place: Place) -> None:
    due = time.time() + 0.3
    place.publish(*map(str, range(50)), not_before=due)
    consumer = place.broker.consumer([Queue("q")], node="one@here")
    deliveries: list[Delivery] = []
    until(lambda: deliveries.extend(consumer.receive(50, 1)) or len(deliveries) == 50)
    assert ids(deliveries) == [str(number) for number in range(50)]
    consumer.close()


def test_what_can_never_be_published_is_refused_for_good(place: Place) -> None:
    place.client.set(f"{place.prefix}odd", "text")
    with pytest.raises(MessageRefused, match="WRONGTYPE"):
        place.broker.publish([Message(id="a", queue="odd", headers={})])
    form = CallForm(encode_task(TaskCall(task="t", id="b"), queue="odd"), 3)
    with pytest.raises(MessageRefused, match="WRONGTYPE"):
        place.broker.publish_filled(FilledForm(form, form.fill(["b"], [((1,), {})]), "me"))
    place.publish("a")
    consumer = place.broker.consumer([Queue("q")], node="one@here")
    [delivery] = received(consumer, 1)
    follow_up = Message(id="a", queue="odd", headers={})
    with pytest.raises(MessageRefused, match="WRONGTYPE"):
        consumer.settle([Settlement(delivery=delivery, outcome=Outcome.ACK, follow_ups=(follow_up,))])
    assert consumer.settle([Settlement(delivery=delivery, outcome=Outcome.REJECT, reason="No way.")]) == []
    consumer.close()
