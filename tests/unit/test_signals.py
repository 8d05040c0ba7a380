"""Signals: who is called, with what, and what happens when it goes wrong."""

import gc
import logging
import threading

import pytest

from celeriac import signals
from celeriac.signals import Signal


class Sender:
    """Something that sends."""


class Proxy:
    """Stands for another object, as a lazy task does."""

    def __init__(self, target):
        self._target = target

    def _get_current_object(self):
        return self._target


def test_a_receiver_gets_the_signal_the_sender_and_the_arguments():
    signal = Signal("example", {"what"})
    calls = []

    @signal.connect
    def receive(**kwargs):
        calls.append(kwargs)
        return 7

    assert signal.send("me", what=1) == [(receive, 7)]
    assert calls == [{"signal": signal, "sender": "me", "what": 1}]


def test_a_signal_nobody_listens_to_has_no_receivers():
    signal = Signal("example")
    assert not signal.receivers
    assert signal.send(None) == []
    assert not signal.has_listeners()


def test_a_receiver_hears_only_the_sender_it_asked_for():
    signal = Signal("example")
    mine, other = Sender(), Sender()
    heard = []

    @signal.connect(sender=mine)
    def receive(sender, **kwargs):
        heard.append(sender)

    signal.send(other)
    signal.send(None)
    signal.send(mine)
    assert heard == [mine]
    assert signal.has_listeners(mine)
    assert not signal.has_listeners(other)


def test_senders_that_are_names_are_compared_as_text():
    signal = Signal("example")
    heard = []

    @signal.connect(sender="name")
    def receive(sender, **kwargs):
        heard.append(sender)

    signal.send(str(b"name", "ascii"))  # another object
    signal.send("other")
    assert heard == ["name"]


@pytest.mark.parametrize("wrapped", ["connected", "sent"])
def test_a_lazy_sender_is_the_object_it_stands_for(wrapped):
    signal = Signal("example")
    target = Sender()
    proxy = Proxy(target)
    heard = []

    @signal.connect(sender=proxy if wrapped == "connected" else target)
    def receive(**kwargs):
        heard.append(1)

    signal.send(target if wrapped == "connected" else proxy)
    assert heard == [1]


def test_connecting_twice_calls_once():
    signal = Signal("example")

    def receive(**kwargs):
        return 1

    for _ in range(2):
        signal.connect(receive)
    assert len(signal.send(None)) == 1
    signal.connect(receive, sender="a")
    assert len(signal.send("a")) == 2


def test_a_dispatch_uid_makes_two_receivers_one():
    signal = Signal("example")

    def first(**kwargs):
        return 1

    def second(**kwargs):
        return 2

    signal.connect(first, dispatch_uid="only")
    signal.connect(second, dispatch_uid="only")
    assert signal.send(None) == [(first, 1)]
    assert signal.disconnect(dispatch_uid="only")
    assert not signal.receivers


def test_disconnecting_says_whether_there_was_something():
    signal = Signal("example")

    def receive(**kwargs):
        return None

    signal.connect(receive, sender="a")
    assert signal.disconnect(receive) is False, "it listens to one sender only"
    assert signal.disconnect(receive, sender="a") is True
    assert signal.disconnect(receive, sender="a") is False


def test_receivers_are_forgotten_with_their_last_reference():
    signal = Signal("example")

    class Owner:
        def receive(self, **kwargs):
            return 1

    def function(**kwargs):
        return 1

    owner = Owner()
    signal.connect(owner.receive)
    signal.connect(function)
    assert len(signal.send(None)) == 2, "a bound method lives as long as its object"
    del owner, function
    gc.collect()
    assert not signal.receivers


def test_two_objects_of_one_class_are_two_receivers():
    signal = Signal("example")

    class Owner:
        def receive(self, **kwargs):
            return id(self)

    owners = [Owner(), Owner()]
    for owner in owners:
        signal.connect(owner.receive)
    assert {answer for _, answer in signal.send(None)} == {id(owner) for owner in owners}


def test_a_strong_receiver_stays():
    signal = Signal("example")
    signal.connect(lambda **kwargs: 1, weak=False)
    gc.collect()
    assert [answer for _, answer in signal.send(None)] == [1]


def test_an_error_is_logged_and_returned_and_hinders_nobody(caplog):
    signal = Signal("example")

    @signal.connect
    def bad(**kwargs):
        raise LookupError("lost")

    @signal.connect
    def good(**kwargs):
        return 1

    with caplog.at_level(logging.ERROR):
        (_, error), (_, answer) = signal.send_robust(None)
    assert isinstance(error, LookupError)
    assert answer == 1
    assert "bad" in caplog.text
    assert "lost" in caplog.text


def test_a_receiver_with_retry_is_called_until_it_succeeds(monkeypatch):
    pauses: list[float] = []
    monkeypatch.setattr("celeriac.signals.time.sleep", pauses.append)
    signal = Signal("example")
    calls = []

    def flaky(**kwargs):
        calls.append(1)
        if len(calls) < 3:
            raise OSError("away")
        return "done"

    signal.connect(flaky, retry=True)
    assert [answer for _, answer in signal.send(None)] == ["done"]
    assert pauses == [2.0, 4.0]
    assert signal.disconnect(flaky)


@pytest.mark.parametrize("receiver", [1, lambda sender: None])
def test_what_cannot_receive_is_refused(receiver):
    with pytest.raises(ValueError, match="cannot receive a signal"):
        Signal("example").connect(receiver)


def test_a_coroutine_function_is_refused():
    async def receive(**kwargs):
        return None

    with pytest.raises(ValueError, match="nobody would await it"):
        Signal("example").connect(receive)


def test_receivers_may_come_and_go_in_other_threads_and_while_sending():
    signal = Signal("example")
    stop = threading.Event()
    errors = []

    def churn():
        def receive(**kwargs):
            signal.disconnect(receive)

        while not stop.is_set():
            signal.connect(receive)

    threads = [threading.Thread(target=churn) for _ in range(3)]
    for thread in threads:
        thread.start()
    for _ in range(2000):
        errors += [answer for _, answer in signal.send(None) if answer is not None]
    stop.set()
    for thread in threads:
        thread.join(5)
    assert errors == []


def test_every_signal_carries_its_own_name():
    named = {name: getattr(signals, name) for name in signals.__all__ if name != "Signal"}
    assert len(named) == 34
    assert all(signal.name == name for name, signal in named.items())
