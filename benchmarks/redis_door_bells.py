"""What wakes an idle consumer of a Redis list soonest, and at what price: ``python benchmarks/redis_door_bells.py``.

A foreign client pushes 50 messages a second to lists chosen at random; the waiter pops each as soon as its bell says
so. Shown are the milliseconds from before the push to after the pop, the connections, the commands a second that the
idle waiter costs the server, and the CPU of both while nothing happens. The lists are made in database 12 and removed.
Outcome and reading: docs/internals/redis-engine.md.
"""

import random
import resource
import select
import socket
import sys
import time
from collections.abc import Callable, Iterator
from multiprocessing import Process
from typing import Any

import hiredis

PORT = 6379
DATABASE = 12
COUNT = 200
STEPS = ("", "\x06\x163", "\x06\x166", "\x06\x169")


class Wire:
    """A bare connection."""

    def __init__(self, protocol: int) -> None:
        self.socket = socket.create_connection(("127.0.0.1", PORT))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.reader = hiredis.Reader(notEnoughData=Ellipsis)
        self.pushes: list[Any] = []
        self.call("HELLO", str(protocol))
        self.call("SELECT", str(DATABASE))

    def send(self, *command: str) -> None:
        self.socket.sendall(hiredis.pack_command(command))  # type: ignore[arg-type]  # its types say: a tuple of one

    def read(self) -> Any:
        while True:
            reply = self.reader.gets()
            if reply is Ellipsis:
                self.reader.feed(self.socket.recv(65536))
            elif isinstance(reply, hiredis.PushNotification):
                self.pushes.append(reply)
            else:
                return reply

    def call(self, *command: str) -> Any:
        self.send(*command)
        return self.read()

    def rung(self) -> list[str]:
        """Return the lists named by pushes that have come, after the socket became readable."""
        self.reader.feed(self.socket.recv(65536))
        while (reply := self.reader.gets()) is not Ellipsis:
            self.pushes.append(reply)
        names = [name for push in self.pushes if push[-1] is not None for name in push[-1]]
        self.pushes.clear()
        return names


def pop(wire: Wire, name: str) -> Iterator[float]:
    while (value := wire.call("RPOP", name)) is not None:
        yield float(value)


def tracking(lists: list[str], deadline: float, *, protocol: int) -> Iterator[float]:
    """Arm with EXISTS; the server says which list has changed."""
    wire = Wire(protocol)
    bell = wire
    if protocol == 2:
        bell = Wire(2)
        number = str(bell.call("CLIENT", "ID"))
        bell.call("SUBSCRIBE", "__redis__:invalidate")
        wire.call("CLIENT", "TRACKING", "ON", "REDIRECT", number, "NOLOOP")
    else:
        wire.call("CLIENT", "TRACKING", "ON", "NOLOOP")
    wire.call("EXISTS", *lists)
    while time.monotonic() < deadline:
        if select.select([bell.socket], [], [], 1.0)[0]:
            for name in bell.rung():
                yield from pop(wire, name)
                wire.call("EXISTS", name)
                yield from pop(wire, name)
        else:
            wire.call("EXISTS", *lists)


def moves(lists: list[str], deadline: float) -> Iterator[float]:
    """One connection a list waits in BLMOVE from its right end to its right end."""
    wire = Wire(2)
    waiting = {}
    for name in lists:
        bell = Wire(2)
        bell.send("BLMOVE", name, name, "RIGHT", "RIGHT", "0")
        waiting[bell.socket] = name, bell
    poll = select.poll()
    sockets = {}
    for each in waiting:
        poll.register(each, select.POLLIN)
        sockets[each.fileno()] = each
    while time.monotonic() < deadline:
        for number, _ in poll.poll(1000):
            name, bell = waiting[sockets[number]]
            bell.read()
            yield from pop(wire, name)
            bell.send("BLMOVE", name, name, "RIGHT", "RIGHT", "0")


def keyspace(lists: list[str], deadline: float) -> Iterator[float]:
    """Keyspace notifications, which somebody must have switched on in the server."""
    wire, bell = Wire(2), Wire(2)
    wire.call("CONFIG", "SET", "notify-keyspace-events", "Kl")
    try:
        for name in lists:
            bell.send("SUBSCRIBE", f"__keyspace@{DATABASE}__:{name}")
        for _ in lists:
            bell.read()
        while time.monotonic() < deadline:
            if select.select([bell.socket], [], [], 1.0)[0]:
                bell.reader.feed(bell.socket.recv(65536))
                while (reply := bell.reader.gets()) is not Ellipsis:
                    if reply[2] == b"lpush":
                        yield from pop(wire, reply[1].partition(b"__:")[2].decode())
    finally:
        wire.call("CONFIG", "SET", "notify-keyspace-events", "")


def brpop(lists: list[str], deadline: float) -> Iterator[float]:
    """What Celery does (and loses a message with); for comparison."""
    wire = Wire(2)
    while time.monotonic() < deadline:
        reply = wire.call("BRPOP", *lists, "1")
        if reply is not None:
            yield float(reply[1])


def push(lists: list[str]) -> None:
    wire = Wire(2)
    for _ in range(COUNT):
        time.sleep(0.02)
        wire.call("LPUSH", random.choice(lists), repr(time.monotonic()))


def server_cpu(wire: Wire) -> tuple[float, int, int]:
    info = str(wire.call("INFO", "all"))
    facts = dict(line.partition(":")[::2] for line in info.replace("\\r\\n", "\n").split("\n") if ":" in line)
    return (
        float(facts["used_cpu_user"]) + float(facts["used_cpu_sys"]),
        int(facts["total_commands_processed"]),
        int(facts["connected_clients"]),
    )


def measure(name: str, wait: Callable[[list[str], float], Iterator[float]], queues: int) -> None:
    lists = [f"door-bell-{number}{step}" for step in STEPS for number in range(queues)]
    wire = Wire(2)
    wire.call("DEL", *lists)
    before = server_cpu(wire)[2]
    pusher = Process(target=push, args=(lists,))
    pusher.start()
    latencies = []
    for stamp in wait(lists, time.monotonic() + 60):
        latencies.append(time.monotonic() - stamp)
        if len(latencies) == COUNT:
            break
    pusher.join()
    idle = Process(target=lambda: list(wait(lists, time.monotonic() + 5)))
    cpu, commands, _ = server_cpu(wire)
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    idle.start()
    time.sleep(2.5)
    connections = server_cpu(wire)[2] - before
    idle.join()
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu_after, commands_after, _ = server_cpu(wire)
    latencies.sort()
    print(
        f"{name:24} {queues * 4:4} lists  p50 {latencies[len(latencies) // 2] * 1e3:6.2f} ms"
        f"  p99 {latencies[int(len(latencies) * 0.99)] * 1e3:6.2f} ms  {connections:4} connections"
        f"  idle: {(commands_after - commands) / 5:6.1f} commands/s,"
        f" CPU waiter {(after.ru_utime + after.ru_stime - used.ru_utime - used.ru_stime) / 5:6.2%}"
        f" server {(cpu_after - cpu) / 5:6.2%}",
        flush=True,
    )
    wire.call("DEL", *lists)


CANDIDATES: dict[str, Callable[[list[str], float], Iterator[float]]] = {
    "tracking, RESP3 push": lambda lists, deadline: tracking(lists, deadline, protocol=3),
    "tracking, RESP2 redirect": lambda lists, deadline: tracking(lists, deadline, protocol=2),
    "BLMOVE a list": moves,
    "keyspace notifications": keyspace,
    "BRPOP (Celery)": brpop,
}

if __name__ == "__main__":
    for queues in map(int, sys.argv[1:] or ("1", "20", "200")):
        for name, wait in CANDIDATES.items():
            measure(name, wait, queues)
