"""Kinds of calls beside the two small integers: what they carry, or how long they work. Standard library only."""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Payload:
    """One kind of call."""

    name: str
    #: What publishes it, in the tasks' module.
    verb: str
    argument: Any
    #: Calls in the full form.
    count: int
    #: The same where a queue has no such verb.
    other_verb: str = ""
    other_count: int = 0

    def publisher(self, tasks: Any) -> Any:
        """Return the function of a tasks' module that publishes it."""
        return getattr(tasks, self.verb, None) or getattr(tasks, self.other_verb)

    def count_for(self, can: Collection[str]) -> int:
        """Return how many calls a queue with these verbs gets in the full form."""
        return self.other_count if self.other_verb and self.verb not in can else self.count


def _nested(depth: int) -> dict[str, Any]:
    """Return an object that holds an object and so on, about 250 bytes of JSON at each level."""
    document: dict[str, Any] = {
        "number": depth,
        "share": depth / 7,
        "flags": [True, False, None],
        "name": f"level {depth} of a document with ümläuts and “quotes”",
        "rows": [{"id": number, "text": "x" * 20} for number in range(3)],
    }
    return {**document, "inner": _nested(depth - 1)} if depth > 1 else document


PAYLOADS = (
    Payload("a small integer", "publish_payload", 7, 10_000),
    Payload("1 kB", "publish_payload", "x" * 1_000, 10_000),
    Payload("100 kB", "publish_payload", "x" * 100_000, 500),
    Payload("JSON, 5 kB, 20 deep", "publish_payload", _nested(20), 4_000),
    Payload("computes 1 ms", "publish_compute", 0.001, 2_000),
    Payload("computes 20 ms", "publish_compute", 0.02, 150),
    # Where there are some, hundreds run at once.
    Payload("sleeps 20 ms, in coroutines if it has them", "publish_coroutine", 0.02, 6_000, "publish_sleep", 150),
)
