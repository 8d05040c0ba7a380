"""How fast a side is, roughly: so that each gets work for about the same time, and a slow one does not hold up all."""

from dataclasses import dataclass, field

from benchmarks.side import Side

__all__ = ["Pace", "find_pace"]

#: Calls to get warm; then as many as are published in some seconds, within limits.
_WARM, _SECONDS, _LEAST, _MOST = 20, 0.15, 150, 2_000
#: So many times as fast as it publishes a side may be at working that off.
_FASTER = 6.0


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
    # A worker that has read ahead may reach both ends of it at once, which says nothing.
    count = int(min(_MOST, max(_LEAST, pace.publish * _SECONDS)))
    with side.project() as project:
        project.fill(_WARM, count)
        with project.worker() as worker:
            seconds = -project.wait_for_mark(worker, "first") + project.wait_for_mark(worker, "last")
            if "fetch" in pace.can:
                project.client("round_trip", 1)
    pace.drain = min(count / max(seconds, 0.001), _FASTER * pace.publish)
    return pace
