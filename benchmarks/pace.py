"""How fast a side is, roughly: so that each gets work for about the same time, and a slow one does not hold up all."""

from dataclasses import dataclass, field

from benchmarks.side import Side

__all__ = ["Pace", "find_pace"]

#: Calls to get warm, those of the first look, and those of a second if the first took no time that tells anything:
#: a worker that has read ahead reaches both ends of a short backlog at once.
_WARM, _COUNTS = 20, (200, 2_000)
#: Seconds.
_LONG_ENOUGH = 0.2


@dataclass(slots=True, kw_only=True)
class Pace:
    """Calls a second, of one side."""

    version: str
    #: Which of ``client.VERBS`` it has.
    can: frozenset[str]
    publish: float
    drain: float = field(default=0.0)
    #: The same in bulk, once that was measured.
    bulk: float = field(default=0.0)

    @property
    def fill(self) -> float:
        """Calls a second by the fastest way to publish, as far as is known."""
        return self.bulk or self.publish * (5 if "publish_many" in self.can else 1)


def find_pace(side: Side) -> Pace:
    """Let a side work for the first time: it publishes, its worker works, and its results are right if it has any."""
    with side.project() as project:
        said = project.client("publish", 100)
        pace = Pace(version=said["version"], can=frozenset(said["can"]), publish=said["rate"])
    for count in _COUNTS:
        with side.project() as project:
            project.fill(_WARM, count)
            with project.worker() as worker:
                seconds = -project.wait_for_mark(worker, "first") + project.wait_for_mark(worker, "last")
                if "fetch" in pace.can:
                    project.client("round_trip", 1)
        pace.drain = count / max(seconds, 0.001)
        if seconds > _LONG_ENOUGH:
            break
    return pace
