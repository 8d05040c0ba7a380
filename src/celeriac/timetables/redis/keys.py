"""What a timetable is called in Redis."""

from typing import Final

from celeriac.redis.location import Kind, Location

__all__ = ["Keys"]

_NAME: Final = "celeriac.schedule"


class Keys:
    """The keys of one timetable. In a Cluster all of them lie on one node."""

    def __init__(self, location: Location) -> None:
        tagged = f"{{{_NAME}}}" if location.kind is Kind.CLUSTER else _NAME
        own = f"{location.key_prefix}{tagged}"
        #: String: counts the changes of entries.
        self.changes = f"{own}.changes"
        #: Sorted set: the names of all entries.
        self.names = f"{own}.names"
        #: Sorted set: name, with the moment from which it is due.
        self.agenda = f"{own}.agenda"
        #: Sorted set: run id, with the microsecond of its claim; and a hash of what it is.
        self.pending = f"{own}.pending"
        self.pending_runs = f"{own}.pending.runs"
        #: String: since when somebody leads, and who.
        self.leader = f"{own}.leader"
        #: String: tells this timetable from others.
        self.namespace = f"{own}.namespace"
        #: What the keys of entries (hashes), of their histories (lists) and of sources (hashes) begin with.
        self.entry = f"{own}.entry."
        self.history = f"{own}.history."
        self.source = f"{own}.source."
