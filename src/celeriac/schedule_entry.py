"""A schedule entry: what a user says about one periodic task."""

import hashlib
import json
from collections.abc import Mapping
from typing import Any, Literal, get_args

from msgspec import Struct
from msgspec.structs import asdict, force_setattr

from celeriac.exceptions import EncodeError, ImproperlyConfigured
from celeriac.protocol import serialization

__all__ = ["CODE", "Missed", "Overlap", "ScheduleEntry"]

#: The source of entries that the app's code and settings name.
CODE = "code"

#: What becomes of due moments at which nobody was there: nothing; the latest runs once; all run, up to a bound.
Missed = Literal["once", "skip", "all"]
#: What becomes of a run whose predecessor has not ended: it runs beside it, not at all, after it, or in its place.
Overlap = Literal["allow", "skip", "queue", "replace"]

_JSON = "application/json"
#: Hexadecimal digits of a digest: half of them would do, and every entry keeps some.
_DIGEST_LENGTH = 32
#: As many characters as Django's administration can show and index everywhere.
_LONGEST_NAME = 200


class ScheduleEntry(Struct, frozen=True, kw_only=True):
    """One task, its arguments and its schedule, under a name. Raises ``ImproperlyConfigured`` for what cannot be."""

    #: Unique in its timetable.
    name: str
    task: str
    #: The schedule as a plain dict; whoever makes schedules reads it, nobody here does.
    schedule: Mapping[str, Any]
    args: tuple[Any, ...] = ()
    kwargs: Mapping[str, Any] = {}
    #: How it is published: ``queue``, ``priority``, ``expires``, ``headers`` …
    options: Mapping[str, Any] = {}
    missed: Missed = "once"
    #: How many missed runs are made up for with ``all``: the latest ones.
    missed_bound: int = 100
    overlap: Overlap = "allow"
    enabled: bool = True
    #: Who says so. Whatever one source no longer says is removed; entries of other sources stay.
    source: str = CODE

    def __post_init__(self) -> None:
        self._check()
        force_setattr(self, "args", tuple(self.args))

    def digest(self) -> str:
        """Return a text that is the same for two entries that say the same, whatever their source."""
        fields = asdict(self)
        del fields["source"]
        return self._digest(fields)

    def timing_digest(self) -> str:
        """Return a text that is the same for two entries that run at the same moments."""
        return self._digest({"schedule": self.schedule, "enabled": self.enabled})

    def encode(self) -> bytes:
        """Return the entry as JSON; raises ``EncodeError`` for arguments that JSON cannot carry."""
        return self._encode(asdict(self))

    @classmethod
    def decode(cls, data: bytes) -> "ScheduleEntry":
        """Return the entry in what ``encode`` has returned, in this version of celeriac or another."""
        fields = serialization.loads(data, _JSON, "utf-8", (_JSON,))
        return cls(**{name: fields[name] for name in cls.__struct_fields__ if name in fields})

    def _digest(self, fields: Mapping[str, Any]) -> str:
        # The order of a dict's keys says nothing.
        plain = json.dumps(json.loads(self._encode(fields)), sort_keys=True)
        return hashlib.sha256(plain.encode()).hexdigest()[:_DIGEST_LENGTH]

    def _encode(self, fields: Mapping[str, Any]) -> bytes:
        try:
            return serialization.dumps(fields).data
        except EncodeError as error:
            raise EncodeError(f"The schedule entry {self.name!r} cannot be kept. {error}") from error

    def _check(self) -> None:
        if not _is_text(self.name) or len(self.name) > _LONGEST_NAME or "\0" in self.name:
            raise ImproperlyConfigured(
                f"A schedule entry cannot be called {self.name!r}: give it a text of 1 to {_LONGEST_NAME} characters."
            )
        for field, is_right, cure in (
            ("task", _is_text(self.task), "name a task, such as 'shop.tasks.clean_up'"),
            ("schedule", _is_dict(self.schedule) and bool(self.schedule), "give it a schedule, as a dict"),
            ("args", isinstance(self.args, (list, tuple)), "write a list, such as [1, 2]"),
            ("kwargs", _is_dict(self.kwargs), "write a dict with texts as keys, such as {'days': 30}"),
            ("options", _is_dict(self.options), "write a dict with texts as keys, such as {'queue': 'nightly'}"),
            ("missed", self.missed in get_args(Missed), f"choose one of {', '.join(get_args(Missed))}"),
            ("missed_bound", _is_count(self.missed_bound), "write a whole number of at least 1"),
            ("overlap", self.overlap in get_args(Overlap), f"choose one of {', '.join(get_args(Overlap))}"),
            ("enabled", isinstance(self.enabled, bool), "write True or False"),
            ("source", _is_text(self.source), f"write a text, such as {CODE!r}"),
        ):
            if not is_right:
                raise ImproperlyConfigured(
                    f"The schedule entry {self.name!r} is not valid: {field} is {getattr(self, field)!r}; {cure}."
                )


def _is_text(value: object) -> bool:
    return isinstance(value, str) and bool(value)


def _is_dict(value: object) -> bool:
    return isinstance(value, Mapping) and all(isinstance(key, str) for key in value)


def _is_count(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 1
