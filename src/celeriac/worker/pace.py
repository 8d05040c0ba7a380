"""The pace: how long a task of each name takes, measured."""

__all__ = ["Pace"]

#: Weight of the newest run in the moving average.
_WEIGHT = 0.1


class Pace:
    """Moving averages of run times, in seconds, per task name and over all."""

    def __init__(self) -> None:
        self._by_name: dict[str, float] = {}
        #: Over all tasks lately; None before the first.
        self.overall: float | None = None

    def observe(self, name: str, runtime: float) -> None:
        """Record one run."""
        known = self._by_name.get(name)
        self._by_name[name] = runtime if known is None else known + _WEIGHT * (runtime - known)
        overall = self.overall
        self.overall = runtime if overall is None else overall + _WEIGHT * (runtime - overall)

    def expected(self, name: str | None) -> float | None:
        """Return what a task of this name is expected to take; None for a name not seen before."""
        return self._by_name.get(name) if name is not None else None
