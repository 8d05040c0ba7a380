import os
import select
import signal
import threading
from collections.abc import Iterator

import pytest

from celeriac.supervision.os_signals import OsSignals
from tests.supervision.conftest import PATIENCE, wait_until


@pytest.fixture
def signals() -> Iterator[OsSignals]:
    signals = OsSignals([signal.SIGUSR1, signal.SIGUSR2])
    signals.install()
    yield signals
    signals.restore()


def test_are_listed_in_their_order_and_as_often_as_they_came(signals: OsSignals) -> None:
    for number in (signal.SIGUSR1, signal.SIGUSR2, signal.SIGUSR1, signal.SIGUSR1):
        signal.raise_signal(number)
    assert signals.drain() == [signal.SIGUSR1, signal.SIGUSR2, signal.SIGUSR1, signal.SIGUSR1]
    assert signals.drain() == []


def test_wake_a_loop_that_selects_on_them(signals: OsSignals) -> None:
    assert not select.select([signals], [], [], 0)[0]
    sender = threading.Timer(0.01, os.kill, [os.getpid(), signal.SIGUSR1])
    sender.start()
    assert select.select([signals], [], [], PATIENCE)[0]
    sender.join()
    assert signals.drain() == [signal.SIGUSR1]
    assert not select.select([signals], [], [], 0)[0]


def test_are_recorded_while_the_main_thread_is_inside_c_code(signals: OsSignals) -> None:
    lock = threading.Lock()
    lock.acquire()

    def send_and_look() -> None:
        os.kill(os.getpid(), signal.SIGUSR2)
        wait_until(lambda: select.select([signals], [], [], 0)[0])
        lock.release()

    thread = threading.Thread(target=send_and_look)
    thread.start()
    assert lock.acquire(timeout=PATIENCE)
    thread.join()
    assert signals.drain() == [signal.SIGUSR2]


def test_that_were_not_asked_for_are_not_listed(signals: OsSignals) -> None:
    former = signal.signal(signal.SIGALRM, lambda *_: None)
    signal.raise_signal(signal.SIGALRM)
    signal.signal(signal.SIGALRM, former)
    assert signals.drain() == []


def test_fall_back_to_their_former_handlers() -> None:
    seen: list[int] = []
    former = signal.signal(signal.SIGUSR1, lambda number, _: seen.append(number))
    try:
        signals = OsSignals([signal.SIGUSR1])
        signals.install()
        signals.install()
        signal.raise_signal(signal.SIGUSR1)
        assert seen == []
        signals.restore()
        signals.restore()
        signal.raise_signal(signal.SIGUSR1)
        assert seen == [signal.SIGUSR1]
        assert signal.set_wakeup_fd(-1) == -1
    finally:
        signal.signal(signal.SIGUSR1, former)


def test_a_flood_neither_blocks_nor_breaks(signals: OsSignals) -> None:
    for _ in range(70_000):
        signal.raise_signal(signal.SIGUSR1)
    assert set(signals.drain()) == {signal.SIGUSR1}
    signal.raise_signal(signal.SIGUSR2)
    assert signals.drain() == [signal.SIGUSR2]


def test_can_only_be_installed_in_the_main_thread() -> None:
    errors: list[ValueError] = []

    def install() -> None:
        try:
            OsSignals([signal.SIGUSR1]).install()
        except ValueError as error:
            errors.append(error)

    thread = threading.Thread(target=install)
    thread.start()
    thread.join()
    assert len(errors) == 1
