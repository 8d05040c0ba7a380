"""Which lists a consumer asks next, and when which delayed messages are due: what keeps a take's price flat.

A list is asked as long as it may hold something. One that was found empty is asked again when the door bell names it.
Of lists that had more than was asked for last time, a few are asked for much each, and the next take asks others. So a
take costs what there is to take, whether a consumer has one queue or two hundred.
"""

from collections.abc import Iterable
from typing import Final, NamedTuple

from celeriac.brokers.redis.layout import Layout

__all__ = ["Agenda", "ListEntry"]

#: Lists that a take asks if each had more last time: asking one more costs as much as a message or two.
_LISTS: Final = 16


class ListEntry(NamedTuple):
    """One list of one queue."""

    key: bytes
    #: The key without its prefix.
    name: str
    queue: str
    #: 0 for the most urgent.
    level: int


class Agenda:
    """The lists and delayed messages of some queues."""

    def __init__(self, layout: Layout) -> None:
        self._layout = layout
        #: By key; also those of queues that nothing is taken from any more.
        self.entries: dict[bytes, ListEntry] = {}
        self._queues: dict[str, list[ListEntry]] = {}
        #: For each level the lists that may hold something, those first whose turn it is; True: it had more last time.
        self._awake: list[dict[ListEntry, bool]] = [{} for _ in layout.steps]
        self._delayed: dict[bytes, str] = {}
        #: When the first delayed message of a queue is due, in milliseconds; queues that have none are missing.
        self._moments: dict[str, float] = {}
        self._gave_last: ListEntry | None = None
        #: Nothing is known of any list, so all are asked at once.
        self._is_unknown = False
        #: Queues of whose delayed messages nothing is known.
        self._unseen: set[str] = set()

    @property
    def queues(self) -> list[str]:
        """The queues that are taken from."""
        return list(self._queues)

    def add(self, queue: str) -> None:
        """Take from this queue too."""
        if queue in self._queues:
            return
        names = [self._layout.list_name(queue, step) for step in self._layout.steps]
        keys = [key.encode() for key in self._layout.lists(queue)]
        entries = [ListEntry(*each, queue, level) for level, each in enumerate(zip(keys, names, strict=True))]
        self._queues[queue] = entries
        self.entries.update({entry.key: entry for entry in entries})
        self._delayed[self._layout.delayed(queue).encode()] = queue
        self._wake_queue(queue)

    def cancel(self, queue: str) -> None:
        """Take no more from this queue."""
        for entry in self._queues.pop(queue, ()):
            self._awake[entry.level].pop(entry, None)
        self._delayed.pop(self._layout.delayed(queue).encode(), None)
        self._moments.pop(queue, None)
        self._unseen.discard(queue)

    def wake_all(self) -> None:
        """Nothing is known."""
        self._is_unknown = True
        for queue in self._queues:
            self._wake_queue(queue)

    def wake(self, keys: Iterable[bytes]) -> None:
        """Something has happened to these keys."""
        for key in keys:
            entry = self.entries.get(key)
            if entry is None:
                queue = self._delayed.get(key)
                if queue is not None:
                    self._unseen.add(queue)
            elif entry.queue in self._queues:
                self._awake[entry.level].setdefault(entry, False)

    def choose(self, limit: int) -> list[ListEntry]:
        """Return the lists to ask for up to ``limit`` messages, the most urgent first."""
        if self._is_unknown:
            self._is_unknown = False
            return [entry for level in self._awake for entry in self._in_order(level)]
        # Where the order is fixed nobody's turn comes later.
        share = max(1, limit // _LISTS) if self._layout.order == "round_robin" else 1
        chosen: list[ListEntry] = []
        missing = limit
        for level in self._awake:
            for entry in self._in_order(level):
                chosen.append(entry)
                missing -= share if level[entry] else 1
                if missing <= 0:
                    return chosen
        return chosen

    def asked(self, entry: ListEntry, *, gave: int, is_empty: bool) -> None:
        """Note what came of asking a list."""
        level = self._awake[entry.level]
        if gave:
            self._gave_last = entry
        if is_empty:
            level.pop(entry, None)
        elif gave and entry in level:
            # The others' turn.
            del level[entry]
            level[entry] = True

    def due(self, now: float) -> list[str]:
        """Return the queues whose delayed messages have to be looked at; ``now`` in milliseconds."""
        return [*self._unseen, *(queue for queue, moment in self._moments.items() if moment <= now)]

    def saw(self, queue: str, *, moved: int, moment: float | None) -> None:
        """Note how many delayed messages of a queue were moved, and when the next one is due."""
        self._unseen.discard(queue)
        if queue not in self._queues:
            return
        if moment is None:
            self._moments.pop(queue, None)
        else:
            self._moments[queue] = moment
        if moved:
            for entry in self._queues[queue]:
                self._awake[entry.level].setdefault(entry, False)

    @property
    def next_moment(self) -> float | None:
        """When the next delayed message is due, in milliseconds, as far as is known."""
        return min(self._moments.values(), default=None)

    @property
    def likeliest(self) -> ListEntry | None:
        """The list that the next message is most likely to come to: the one that gave last."""
        last = self._gave_last
        if last is not None and last.queue in self._queues:
            return last
        return next((entries[0] for entries in self._queues.values()), None)

    @property
    def is_something_to_ask(self) -> bool:
        """Some list may hold something, or some delayed messages are unknown."""
        return bool(self._unseen) or any(self._awake)

    def _wake_queue(self, queue: str) -> None:
        for entry in self._queues[queue]:
            self._awake[entry.level].setdefault(entry, False)
        self._unseen.add(queue)

    def _in_order(self, level: dict[ListEntry, bool]) -> Iterable[ListEntry]:
        """As ``queue_order_strategy`` says."""
        match self._layout.order:
            case "sorted":
                return sorted(level, key=lambda entry: entry.queue)
            case "priority":
                places = {queue: place for place, queue in enumerate(self._queues)}
                return sorted(level, key=lambda entry: places[entry.queue])
            case _:
                return level
