"""Broker suite: publishing, and the life of a broker object."""

from collections import Counter

import msgspec

from celeriac.brokers.base import Consumer
from celeriac.exceptions import OperationalError
from celeriac.protocol.call_form import CallForm, FilledForm
from celeriac.protocol.task_call import TaskCall, encode_task
from celeriac.routing import Exchange, Queue
from celeriac.testing.conformance.harness import BackendThatFails, BrokerHarness, in_thread

__all__ = ["Publishing"]


class Publishing(BrokerHarness):
    """What is published arrives, whole and once."""

    def test_a_message_arrives_as_it_was_published(self) -> None:
        message = self.message(
            id="x",
            headers={
                "task": "a.b",
                "id": "x",
                "expires": "2096-10-02T07:06:40.500000+00:00",
                "nested": {"list": [1, 2.5, None, "ü", True]},
            },
            expires_at=4_000_000_000.5,
            reply_to="reply",
            exchange="exchange",
            routing_key="key",
            delivery_mode=1,
            content_type="application/x-python-serialize",
            content_encoding="binary",
            body=bytes(range(256)),
        )
        self.broker.declare(Queue(self.queue, Exchange("exchange"), "key"))
        self.broker.publish([message])
        [delivery] = self.receive(self.consumer())
        # Celery's envelope has an address and no queue beside it.
        assert msgspec.structs.replace(self.read(delivery), queue=self.queue) == message
        assert delivery.queue == self.queue
        assert not delivery.redelivered

    def test_messages_published_together_arrive_in_their_order(self) -> None:
        published = [message.id for message in self.publish(250)]
        consumer = self.consumer()
        assert self.receive_ids(consumer, 250) == published

    def test_calls_filled_into_a_form_arrive_as_their_messages(self) -> None:
        odd = ["%s %%b {0}", 'it\'s "ü"\\\n', 2**70, None]
        priority = self.broker.capabilities.priorities[-1] if self.broker.capabilities.priorities else None
        consumer = self.consumer()
        for origin, reply_to in [("gen1@here", None), ("gen1@here", None), ("gen2@here", "mailbox")]:
            model = encode_task(TaskCall(task="conformance.task", id="model"), queue=self.queue, priority=priority)
            form = CallForm(model, 3)
            fillings = form.fill([f"{origin}-{number}" for number in range(3)], [(odd, {}), ((), {"x": odd}), ((), {})])
            filled = FilledForm(form, fillings, origin, reply_to)
            for _ in range(2):
                self.broker.publish_filled(filled)
                received = [self.read(delivery) for delivery in self.receive(consumer, 3)]
                assert received == filled.messages()

    def test_messages_published_one_by_one_arrive_in_their_order(self) -> None:
        published = [self.publish()[0].id for _ in range(20)]
        assert self.receive_ids(self.consumer(), 20) == published

    def test_nothing_to_publish_is_published_at_once(self) -> None:
        self.broker.publish([])
        self.expect_nothing(self.consumer())

    def test_one_publish_reaches_several_queues(self) -> None:
        self.broker.publish([self.message(queue="left"), self.message(queue="right")])
        assert self.receive_ids(self.consumer("left")) == ["task-1"]
        assert self.receive_ids(self.consumer("right")) == ["task-2"]

    def test_a_message_that_cannot_be_encoded_keeps_its_whole_batch_back(self) -> None:
        consumer = self.consumer()
        try:
            self.broker.publish([self.message(), self.message(headers={"odd": object()})])
        except TypeError:
            pass
        else:
            raise AssertionError("An object that no envelope can carry was published.")
        self.expect_nothing(consumer)

    def test_a_large_message_arrives(self) -> None:
        body = bytes(range(256)) * 8192
        self.publish(body=body)
        [delivery] = self.receive(self.consumer())
        assert self.read(delivery).body == body

    def test_two_messages_may_carry_one_id(self) -> None:
        self.broker.publish([self.message(id="twin"), self.message(id="twin")])
        assert self.receive_ids(self.consumer(), 2) == ["twin", "twin"]

    def test_odd_queue_names_are_names_like_others(self) -> None:
        for name in ("with space", "ümläut", "quote'\"", "%", "a/b", "[1]", "x" * 200):
            self.publish(queue=name)
            [delivery] = self.receive(self.consumer(name))
            assert delivery.queue == name

    def test_what_one_broker_publishes_another_receives(self) -> None:
        published = [message.id for message in self.publish(3)]
        other = self.keep(self.make_broker())
        consumer: Consumer = self.keep(other.consumer([Queue(self.queue)], node="other@conformance"))
        assert self.receive_ids(consumer, 3) == published

    def test_threads_publish_at_the_same_time_and_nothing_is_lost(self) -> None:
        threads = [in_thread(lambda: [self.publish() for _ in range(25)]) for _ in range(6)]
        for thread in threads:
            thread.join()
        received = Counter(self.receive_ids(self.consumer(), 150))
        assert len(received) == 150
        assert set(received.values()) == {1}

    def test_nobody_takes_a_message_before_the_result_published_with_it_is_there(self) -> None:
        consumer = self.consumer()
        backend = self.backend

        def publish() -> None:
            for _ in range(50):
                message = self.message()
                self.broker.publish_with_results([message], [self.waiting(message.id)], backend)

        thread = in_thread(publish)
        for _ in range(50):
            [task_id] = self.receive_ids(consumer)
            stored = backend.fetch_one(task_id)
            assert stored is not None
            assert stored.state == "PENDING"
        thread.join()

    def test_several_messages_are_published_with_their_results_in_one_step(self) -> None:
        messages = [self.message() for _ in range(3)]
        results = [self.waiting(message.id) for message in messages]
        self.broker.publish_with_results(messages, results, self.backend)
        assert self.receive_ids(self.consumer(), 3) == ["task-1", "task-2", "task-3"]
        assert set(self.backend.fetch(["task-1", "task-2", "task-3"])) == {"task-1", "task-2", "task-3"}

    def test_of_messages_that_cannot_be_encoded_no_result_is_stored(self) -> None:
        if not self.broker.shares_store_with(self.backend):
            return
        messages = [self.message(), self.message(headers={"odd": object()})]
        try:
            self.broker.publish_with_results(messages, [self.waiting("task-1")], self.backend)
        except TypeError:
            pass
        else:
            raise AssertionError("An object that no envelope can carry was published.")
        assert self.backend.fetch_one("task-1") is None

    def test_while_the_results_are_away_no_message_is_published_with_one(self) -> None:
        elsewhere = self.keep(BackendThatFails(f"memory://{id(self)}-away"))
        message = self.message()
        try:
            self.broker.publish_with_results([message], [self.waiting(message.id)], elsewhere)
        except OperationalError:
            pass
        else:
            raise AssertionError("A result that was not stored was published without an error.")
        consumer = self.consumer()
        self.expect_nothing(consumer)
        elsewhere.is_away = False
        self.broker.publish_with_results([message], [self.waiting(message.id)], elsewhere)
        assert self.receive_ids(consumer) == [message.id]
        assert elsewhere.fetch_one(message.id) is not None

    def test_a_refused_result_keeps_no_message_back(self) -> None:
        self.backend.store([self.success("task-1")])
        self.broker.publish_with_results([self.message()], [self.waiting("task-1")], self.backend)
        assert self.receive_ids(self.consumer()) == ["task-1"]
        stored = self.backend.fetch_one("task-1")
        assert stored is not None
        assert stored.state == "SUCCESS"

    def test_opening_and_closing_twice_does_no_harm(self) -> None:
        self.broker.open()
        self.broker.open()
        self.broker.close()
        self.broker.close()

    def test_a_broker_that_was_closed_opens_itself_when_it_is_used(self) -> None:
        self.publish()
        self.broker.close()
        self.publish()
        assert self.receive_ids(self.consumer(), 2) == ["task-1", "task-2"]
