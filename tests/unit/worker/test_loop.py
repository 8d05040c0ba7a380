"""The node's loop: whose turn it is to act."""

import os
import threading
from collections.abc import Iterator

import pytest

from celeriac.testing.conformance.harness import in_thread
from celeriac.worker.loop import Loop

PATIENCE = 10.0


@pytest.fixture
def loop() -> Iterator[Loop]:
    loop = Loop()
    yield loop
    loop.close()


def act_until_it_is_done(loop: Loop, done: threading.Event, by: list[int]) -> None:
    def act() -> bool:
        by.append(threading.get_ident())
        done.set()
        return True

    while not done.is_set():
        assert loop.act_meanwhile(act) == done.is_set()


def test_another_thread_acts_while_the_loop_waits(loop: Loop) -> None:
    reader, writer = os.pipe()
    done = threading.Event()
    by: list[int] = []
    called: list[bool] = []
    loop.watch(reader, lambda: called.append(done.is_set()))

    def act_and_wake() -> None:
        act_until_it_is_done(loop, done, by)
        os.write(writer, b"!")

    thread = in_thread(act_and_wake)
    loop.run_once(PATIENCE)
    thread.join()
    assert called == [True]
    assert by == [thread.ident]
    os.close(reader)
    os.close(writer)


def test_nobody_acts_while_the_loop_does(loop: Loop) -> None:
    reader, writer = os.pipe()
    os.write(writer, b"!")
    acted: list[str] = []

    def act() -> bool:
        acted.append("meanwhile")
        return True

    def try_to_act() -> None:
        assert not loop.act_meanwhile(act)
        acted.append("refused")

    def call_back() -> None:
        in_thread(try_to_act).join()
        acted.append("called back")

    loop.watch(reader, call_back)
    loop.run_once(PATIENCE)
    # Nor between two waits: that time is the loop's thread's too.
    in_thread(try_to_act).join()
    assert acted == ["refused", "called back", "refused"]
    os.close(reader)
    os.close(writer)


def test_what_goes_wrong_in_its_place_ends_the_loop(loop: Loop) -> None:
    reader, writer = os.pipe()
    loop.watch(reader, lambda: None)
    has_failed = threading.Event()

    def fail() -> bool:
        has_failed.set()
        raise ValueError("spoiled")

    def act_and_wake() -> None:
        while not has_failed.wait(0.001):
            assert not loop.act_meanwhile(fail)
        os.write(writer, b"!")

    thread = in_thread(act_and_wake)
    with pytest.raises(ValueError, match="spoiled"):
        loop.run_once(PATIENCE)
    thread.join()
    os.close(reader)
    os.close(writer)
