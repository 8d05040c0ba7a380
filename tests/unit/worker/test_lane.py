"""A lane: work goes to the child, and each piece is taken by exactly one side."""

import os
import threading

import pytest

from celeriac.worker.frames import Done, Work
from celeriac.worker.lane import ChildLane, NodeLane


@pytest.fixture
def lanes():
    node = NodeLane()
    stream, tokens = node.child_descriptors()
    child = ChildLane(os.dup(stream), os.dup(tokens))
    node.handed_over()
    yield node, child
    node.close()
    child.stream.close()
    os.close(child.token_descriptor)


def work(number: int, size: int = 10) -> Work:
    return Work(sequence=number, envelope=b"x" * size, execution=number, redelivered=False)


def test_the_child_gets_work_in_its_order(lanes) -> None:
    node, child = lanes
    node.send([work(1), work(2)])
    node.send([work(3)])
    assert [child.next_work().sequence for _ in range(3)] == [1, 2, 3]
    assert child.next_work() is None
    assert not child.ended


def test_what_the_node_takes_back_the_child_never_sees(lanes) -> None:
    node, child = lanes
    node.send([work(number) for number in range(1, 6)])
    assert child.next_work().sequence == 1
    assert node.take_back() == [2, 3, 4, 5]
    assert child.next_work() is None
    node.send([work(6)])
    assert child.next_work().sequence == 6


def test_a_big_message_that_the_socket_cannot_hold_is_taken_back_in_the_middle_of_being_sent(lanes) -> None:
    node, child = lanes
    node.send([work(1, 5_000_000)])
    node.send([work(2)])
    assert node.take_back() == [1, 2]
    node.send([work(3)])
    received: list[Work] = []

    def take_one() -> None:
        while not received:
            child.wait(5)
            piece = child.next_work()
            if piece is not None:
                received.append(piece)

    reader = threading.Thread(target=take_one)
    reader.start()
    while node.flush():
        pass
    reader.join(10)
    assert [each.sequence for each in received] == [3]


def test_closing_the_tokens_lets_the_child_finish_what_it_has_and_end(lanes) -> None:
    node, child = lanes
    node.send([work(1)])
    node.close_tokens()
    assert child.next_work().sequence == 1
    assert child.next_work() is None
    assert child.ended


def test_results_come_back_in_batches(lanes) -> None:
    node, child = lanes
    child.send([Done(1, "add", 0.1, "ack", "SUCCESS"), Done(2, "add", 0.1, "ack", "SUCCESS")])
    assert [frame.sequence for frame in node.read()] == [1, 2]
    assert node.read() == []


def test_two_takers_never_get_the_same_token(lanes) -> None:
    node, child = lanes
    taken: list[int] = []
    back: list[int] = []
    stop = threading.Event()

    def take() -> None:
        while True:
            was_stopped = stop.is_set()
            piece = child.next_work()
            if piece is not None:
                taken.append(piece.sequence)
            elif was_stopped:
                return
            else:
                child.wait(0.01)

    reader = threading.Thread(target=take)
    reader.start()
    for start in range(1, 20_001, 50):
        node.send([work(number) for number in range(start, start + 50)])
        while node.flush():
            pass
        if start % 3 == 0:
            back += node.take_back()
    stop.set()
    reader.join(60)
    assert not reader.is_alive()
    assert sorted(taken + back) == list(range(1, 20_001))
    assert taken == sorted(taken)


def test_an_event_loop_that_saw_the_token_before_the_work_does_not_wait_for_more_work(lanes) -> None:
    node, child = lanes
    node.send([work(1)])
    assert child.next_work().sequence == 1
    reading = threading.Thread(target=child.receive_ready, daemon=True)
    reading.start()
    reading.join(10)
    assert not reading.is_alive()
