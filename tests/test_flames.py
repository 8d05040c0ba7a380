"""Flame graphs of the benchmarks: what is drawn, and what is left out."""

from benchmarks.flame import collapse, flame_graph

STACKS = [
    "thread (0x7F01): MainThread;run (celeriac/worker/node.py:105);place (/home/somebody/src/dispatcher.py:7) 60",
    "thread (0x7F01): MainThread;run (celeriac/worker/node.py:110);0x7f12ab (libc.so.6);send (libc.so.6) 40",
    "thread (0x7F02): consumer;wait (threading.py:320);pthread_cond_timedwait (libc.so.6);0x7f12ab (libc.so.6) 900",
]


def test_a_frame_shows_its_share_of_the_samples_that_do_not_wait() -> None:
    graph = flame_graph("node", collapse(STACKS))

    assert "<title>thread MainThread: 100.0%</title>" in graph
    assert "<title>run (celeriac/worker/node.py): 100.0%</title>" in graph
    assert "<title>send (libc.so.6): 40.0%</title>" in graph
    assert "consumer" not in graph


def test_a_graph_names_no_folder_and_no_address_of_the_machine() -> None:
    graph = flame_graph("node", collapse(STACKS))

    assert "<title>place (dispatcher.py): 60.0%</title>" in graph
    assert "/home" not in graph
    assert "0x7" not in graph
