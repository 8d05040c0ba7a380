"""The fields of a crontab expression: from a text to the numbers that it means, as Celery reads them."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

__all__ = ["FIELDS", "Cronspec", "Field", "ParseException", "crontab_parser"]

#: What a field may be given as: a number, an expression, or several of them.
Cronspec = int | str | Iterable[int | str]

_WEEKDAYS = {name: number for number, name in enumerate(("sun", "mon", "tue", "wed", "thu", "fri", "sat"))}
_MONTHS = {
    name: number
    for number, name in enumerate(
        ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"), start=1
    )
}
_PART = re.compile(r"(?:(?P<star>\*)|(?P<start>\w+)(?:-(?P<end>\w+))?)(?P<slash>/(?P<step>\w*))?")


class ParseException(ValueError):  # noqa: N818 - Celery's name
    """An expression of a crontab that cannot be read."""


class crontab_parser:  # noqa: N801 - Celery's name
    """Reads a field whose numbers go from ``min_`` to ``min_ + max_ - 1``.

    An expression is ``*``, a number or a range, each with a step if wanted, or several of these with commas. A range
    may go past the end: ``fri-mon`` is Friday to Monday. Steps are counted from the beginning of the range, for ``*``
    from the smallest number: ``*/3`` of the days of a month is 1, 4, 7 and so on. Months and days of the week may be
    names, of which the first three letters count.
    """

    ParseException = ParseException

    def __init__(
        self, max_: int = 60, min_: int = 0, *, names: Mapping[str, int] = _MONTHS | _WEEKDAYS, noun: str = "field"
    ) -> None:
        self.max_ = max_
        self.min_ = min_
        self._names = names
        self._noun = noun

    def parse(self, spec: str) -> set[int]:
        """Return the numbers that the expression means. Raises ``ParseException``, or its parent ``ValueError``."""
        return {number for part in spec.split(",") for number in self._numbers_of(part.strip(), spec)}

    def _numbers_of(self, part: str, spec: str) -> Iterable[int]:
        if not part:
            raise ParseException(f"The {self._noun} {spec!r} has an empty part: write '1,2', or '*' for all.")
        found = _PART.fullmatch(part)
        if found is None:
            raise ParseException(
                f"The {self._noun} {part!r} cannot be read: write a number, a range such as '1-5', or '*', "
                f"with a step if wanted, as in '*/5'."
            )
        if found["star"]:
            numbers = list(range(self.min_, self.min_ + self.max_))
        else:
            numbers = self._range(found["start"], found["end"])
        if not found["slash"]:
            return numbers
        if not found["star"] and not found["end"]:
            raise ParseException(
                f"The {self._noun} {part!r} has a step and no range: write "
                f"'{found['start']}-{self._last}/{found['step']}'."
            )
        return numbers[:: self._step(found["step"], part)]

    @property
    def _last(self) -> int:
        return self.min_ + self.max_ - 1

    def _step(self, text: str, part: str) -> int:
        if not text.isdecimal() or int(text) == 0:
            raise ParseException(f"The step of {part!r} ({self._noun}) must be a number from 1 on, as in '*/5'.")
        return int(text)

    def _range(self, start_text: str, end_text: str | None) -> list[int]:
        start = self._number(start_text)
        if end_text is None:
            return [start]
        end = self._number(end_text)
        if end < start:
            return [*range(start, self.min_ + self.max_), *range(self.min_, end + 1)]
        return list(range(start, end + 1))

    def _number(self, text: str) -> int:
        number = int(text) if text.isdecimal() else self._names.get(text[:3].lower())
        if number is None:
            raise ParseException(f"There is no {self._noun} {text!r}: {self._what_there_is}.")
        self.check(number)
        return number

    def check(self, number: int) -> None:
        """Raise ``ParseException`` for a number outside the field."""
        if not self.min_ <= number <= self._last:
            sunday = " (Sunday is 0)" if self._names is _WEEKDAYS else ""
            raise ParseException(f"There is no {self._noun} {number}: {self._what_there_is}{sunday}.")

    @property
    def _what_there_is(self) -> str:
        return f"they go from {self.min_} to {self._last}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Field:
    """One field of a crontab expression."""

    noun: str
    #: How many numbers there are, and the smallest.
    count: int
    smallest: int
    names: Mapping[str, int]

    def expand(self, given: Cronspec) -> frozenset[int]:
        """Return the numbers that are meant. Raises ``ValueError`` or ``TypeError``."""
        parser = crontab_parser(self.count, self.smallest, names=self.names, noun=self.noun)
        items = [given] if isinstance(given, int | str) else given
        if not isinstance(items, Iterable):
            raise TypeError(
                f"The {self.noun} of a crontab is a number, a text or several of these; {type(given).__name__} is none."
            )
        numbers: set[int] = set()
        for item in items:
            if isinstance(item, str):
                numbers |= parser.parse(item)
            elif isinstance(item, int):
                parser.check(item)
                numbers.add(int(item))
            else:
                raise TypeError(f"A {self.noun} is a number or a text; {item!r} is neither.")
        if not numbers:
            raise ValueError(f"The crontab has no {self.noun}; leave it out for all of them.")
        return frozenset(numbers)

    @staticmethod
    def text(given: Cronspec) -> str:
        """Return the expression that means the same: what was written, where something was."""
        if isinstance(given, int | str):
            return re.sub(r"\s", "", str(int(given) if isinstance(given, int) else given))
        return ",".join(sorted((Field.text(item) for item in given), key=lambda item: (len(item), item)))


#: By the name of the argument.
FIELDS: Mapping[str, Field] = {
    "minute": Field(noun="minute", count=60, smallest=0, names={}),
    "hour": Field(noun="hour", count=24, smallest=0, names={}),
    "day_of_month": Field(noun="day of the month", count=31, smallest=1, names={}),
    "month_of_year": Field(noun="month", count=12, smallest=1, names=_MONTHS),
    "day_of_week": Field(noun="day of the week", count=7, smallest=0, names=_WEEKDAYS),
}
