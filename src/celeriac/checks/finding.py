"""One thing that a check has found."""

import enum
from dataclasses import dataclass

__all__ = ["Finding", "Grade"]


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
