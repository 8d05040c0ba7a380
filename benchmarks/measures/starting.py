"""How long an interpreter takes to import a queue: what every command and every web process pays."""

import statistics
from collections.abc import Iterator

from benchmarks.measure import Column, Measure
from benchmarks.pace import Pace
from benchmarks.side import Side
from benchmarks.sizes import Sizes

__all__ = ["STARTING"]

_TIMES = 5
_PROGRAM = """
import time
began = time.perf_counter()
import {package}
imported = time.perf_counter()
import {module}
print(imported - began, time.perf_counter() - began)
"""


def _start(side: Side, _: Sizes, __: Pace) -> Iterator[dict[str, float]]:
    program = _PROGRAM.format(package=side.peer.module.removeprefix("tasks_"), module=side.peer.module)
    with side.project() as project:
        times = [tuple(map(float, project.run("python", "-c", program).split())) for _ in range(_TIMES + 1)]
    package, tasks = (statistics.median(each) * 1e3 for each in zip(*times[1:], strict=True))
    yield {"package": package, "tasks": tasks}


STARTING = Measure(
    name="import",
    title="Importing it, in a fresh interpreter",
    columns=(
        Column(name="package", unit="the package, ms"),
        Column(name="tasks", unit="the package and a module with an app and some tasks, ms"),
    ),
    look=_start,
)
