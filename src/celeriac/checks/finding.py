"""One thing that a check has found."""

import enum
from collections.abc import Callable, Iterable
from dataclasses import dataclass

__all__ = ["ADDITIONAL", "Finding", "Grade"]


class Grade(enum.Enum):
    """How bad it is."""

    OK = "ok"
    #: Worth knowing; nothing has to be done.
    NOTE = "note"
    #: Something has to be done.
    WRONG = "wrong"


@dataclass(frozen=True, slots=True)
class Finding:
    """What was found, and, if it is wrong, what to do."""

    grade: Grade
    sentence: str
    #: The number among Django's system checks (``E001``), which never changes; empty: it is none of them.
    id: str = ""


#: Checks that an integration with a framework adds to the doctor's: by title, what yields their findings.
ADDITIONAL: dict[str, Callable[[], Iterable[Finding]]] = {}
