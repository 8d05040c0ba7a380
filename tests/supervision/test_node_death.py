"""A node that dies by kill -9 takes its children and its fork server along, whatever they are doing."""

import json
import os
import select
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.supervision.conftest import PATIENCE, wait_until
from tests.supervision.node import SPAWNERS

StartNode = Callable[[str, str, int], tuple[subprocess.Popen[bytes], dict[str, Any]]]

ROOT = Path(__file__).parents[2]

#: What a child may be in the middle of.
OCCUPATIONS = ["sleep", "spin", "hold_the_interpreter_lock", "match_for_ages", "ignore_signals", "stop_oneself"]
#: Where no kernel does it: what a thread of the child's own, or the fork server, can still end.
PORTABLE_OCCUPATIONS = {
    "portable fork server": OCCUPATIONS,
    "portable fresh": ["sleep", "spin", "ignore_signals"],
}


@pytest.fixture
def node() -> Iterator[StartNode]:
    nodes: list[subprocess.Popen[bytes]] = []

    def start(kind: str, target: str, count: int) -> tuple[subprocess.Popen[bytes], dict[str, Any]]:
        process = subprocess.Popen(
            [sys.executable, "-m", "tests.supervision.node", kind, target, str(count)],
            cwd=ROOT,
            stdout=subprocess.PIPE,
        )
        nodes.append(process)
        return process, json.loads(process.stdout.readline())

    yield start
    for process in nodes:
        process.kill()
        process.wait()
        process.stdout.close()


@pytest.mark.parametrize(
    ("kind", "occupation"),
    [(kind, occupation) for kind in SPAWNERS for occupation in PORTABLE_OCCUPATIONS.get(kind, OCCUPATIONS)],
)
def test_children_die_with_their_node(node: StartNode, kind: str, occupation: str) -> None:
    process, _ = node(kind, occupation, 3)
    process.kill()
    assert everyone_is_gone(process)


def test_children_whose_server_died_before_die_with_their_node(node: StartNode) -> None:
    process, family = node("fork server", "hold_the_interpreter_lock", 3)
    os.kill(family["server"], signal.SIGKILL)
    assert not select.select([process.stdout], [], [], 0)[0]
    process.kill()
    assert everyone_is_gone(process)


@pytest.mark.parametrize("moment", range(12))
def test_a_node_that_dies_while_it_starts_children_leaves_none(node: StartNode, moment: int) -> None:
    process, _ = node("fork server", "sleep", 0)
    with pytest.raises(subprocess.TimeoutExpired):
        process.wait(0.3 + moment * 0.0137)
    process.kill()
    assert everyone_is_gone(process)


def test_children_die_when_their_node_ends_by_itself(node: StartNode) -> None:
    process, _ = node("fork server", "sleep", 3)
    process.terminate()
    assert everyone_is_gone(process)


def test_a_process_that_a_task_forked_is_not_killed_with_the_child(node: StartNode) -> None:
    """It is the task's own affair; its lifeline is nobody's."""
    process, family = node("fork server", "fork_and_sleep", 1)
    process.kill()
    process.wait()
    (child,), (grandchild,) = family["children"], family["words"]
    wait_until(lambda: has_ended(child))
    assert not has_ended(int(grandchild))
    os.kill(int(grandchild), signal.SIGKILL)
    assert everyone_is_gone(process)


def has_ended(pid: int) -> bool:
    try:
        return "State:\tZ" in Path(f"/proc/{pid}/status").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return True


def everyone_is_gone(process: subprocess.Popen[bytes]) -> bool:
    """Wait until nobody holds the node's stdout, which all that it started inherit."""
    while select.select([process.stdout], [], [], PATIENCE)[0]:
        if not os.read(process.stdout.fileno(), 4096):
            return True
    return False
