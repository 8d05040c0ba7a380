"""One setting: what it is called, what it takes, what it is when nobody says, and what it does."""

import copy
from dataclasses import dataclass
from enum import Enum
from typing import Any

from celeriac.exceptions import ImproperlyConfigured
from celeriac.settings_kinds import Kind, coerce

__all__ = ["Celery", "Setting"]


class Celery(Enum):
    """What Celery makes of a setting's default."""

    SAME = "Celery's default too"
    ABSENT = "Celery has no such setting"


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """A line of the table of settings."""

    name: str
    kinds: tuple[Kind, ...]
    default: Any
    #: One or two sentences for the reference page.
    help: str
    #: Names of Celery 3 that are still accepted.
    old_names: tuple[str, ...]
    #: The texts or numbers it may be; empty: any.
    choices: tuple[Any, ...] = ()
    #: The least a number may be.
    minimum: float | None = None
    #: None is a value of its own; for other settings it means the default.
    optional: bool = False
    #: Celery's default, where ours is another.
    celery_default: Any = Celery.SAME
    #: Why our default is another, or why the setting changes nothing.
    reason: str = ""
    #: Accepted so that Celery's configurations load, but it changes nothing.
    without_effect: bool = False
    #: Never to be shown.
    secret: bool = False

    @property
    def family(self) -> str:
        """The first word of the name, by which the reference page is ordered; empty for names of their own."""
        first, _, rest = self.name.partition("_")
        return first if rest and first in FAMILIES else ""

    @property
    def is_ours(self) -> bool:
        """Celery has no such setting."""
        return self.celery_default is Celery.ABSENT

    def value_of(self, written: Any, *, key: str = "") -> Any:
        """Return what was written as a value of this setting.

        ``key`` is the name it was written under, for the error. Raises ``ImproperlyConfigured`` with one sentence.
        """
        if written is None:
            return None if self.optional else copy.deepcopy(self.default)
        for kind in self.kinds:
            try:
                value = coerce(kind, written)
            except ValueError:
                continue
            if self._allows(value):
                return value
        raise ImproperlyConfigured(f"The setting {key or self.name} must be {self.wanted()}, not {written!r}.")

    def wanted(self) -> str:
        """Return what the setting takes, as words that follow "must be"."""
        words = [kind.value for kind in self.kinds if not (self.choices and kind is Kind.TEXT)]
        if self.choices and Kind.INTEGER in self.kinds and Kind.TEXT not in self.kinds:
            words = [repr(choice) for choice in self.choices]
        elif self.choices:
            words += [repr(choice) for choice in self.choices]
        if self.minimum is not None:
            words[0] += f" of at least {self.minimum:g}"
        if self.optional:
            words.append("None")
        return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} or {words[-1]}"

    def _allows(self, value: Any) -> bool:
        if isinstance(value, str):
            return not self.choices or value in self.choices
        if isinstance(value, (int, float)) and not isinstance(value, bool):
            if self.minimum is not None and value < self.minimum:
                return False
            return not self.choices or Kind.TEXT in self.kinds or value in self.choices
        return True


#: First words that many settings share.
FAMILIES = frozenset(
    {
        "arangodb",
        "azureblockblob",
        "beat",
        "broker",
        "cache",
        "cassandra",
        "commands",
        "control",
        "cosmosdbsql",
        "couchbase",
        "database",
        "elasticsearch",
        "email",
        "event",
        "gcs",
        "mongodb",
        "redis",
        "result",
        "s3",
        "security",
        "task",
        "worker",
    }
)
