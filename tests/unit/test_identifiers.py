"""Ids differ, are in the order of time, and are nobody else's after a fork."""

import os
import time
from uuid import UUID

from celeriac.identifiers import node_origin, uuid, uuids


def read_in_child(make):
    """Return the text that a forked child makes."""
    reading, writing = os.pipe()
    child = os.fork()
    if not child:
        os.write(writing, make().encode())
        os._exit(0)
    os.close(writing)
    with os.fdopen(reading, encoding="utf-8") as pipe:
        text = pipe.read()
    os.waitpid(child, 0)
    return text


def test_ids_are_uuids_of_this_moment():
    before = time.time_ns() // 1_000_000
    ids = [uuid(), *uuids(500), uuid()]
    after = time.time_ns() // 1_000_000
    for made in map(UUID, ids):
        assert (made.version, made.variant) == (7, "specified in RFC 4122")
        assert before <= made.int >> 80 <= after + 1
    assert len({made[19:] for made in ids}) == len(ids)


def test_ids_made_together_are_in_their_order():
    ids = list(uuids(5000))
    assert ids == sorted(ids)
    assert list(uuids(0)) == []


def test_a_child_of_a_fork_has_random_bits_of_its_own():
    uuid()
    in_child = read_in_child(lambda: " ".join(uuid() for _ in range(100)))
    assert {made[19:] for made in in_child.split()}.isdisjoint(uuid()[19:] for _ in range(100))


def test_a_child_of_a_fork_says_who_it_is():
    assert node_origin().startswith(f"gen{os.getpid()}@")
    assert read_in_child(lambda: f"{node_origin()} {os.getpid()}".replace("@", " ")).split()[0] not in node_origin()
