"""Names of days and months in the forms that a sentence needs, for languages that bend them.

Every name is written out with its context, so that the tools that collect phrases for translators find them.
"""

from collections.abc import Sequence
from typing import Protocol

__all__ = [
    "Words",
    "months_from",
    "months_in",
    "months_of",
    "months_to",
    "weekdays_from",
    "weekdays_if",
    "weekdays_on",
    "weekdays_to",
]


class Words(Protocol):
    """What translates phrases."""

    def gettext(self, message: str, /) -> str:
        """Return the phrase in the language."""

    def ngettext(self, singular: str, plural: str, number: int, /) -> str:
        """Return the phrase in the form that goes with this number."""

    def pgettext(self, context: str, message: str, /) -> str:
        """Return the phrase in the form that it has in this context."""


def weekdays_on(words: Words) -> Sequence[str]:
    """Return the days of the week, from Sunday, as in "on Mondays"."""
    return (
        words.gettext("Sundays"),
        words.gettext("Mondays"),
        words.gettext("Tuesdays"),
        words.gettext("Wednesdays"),
        words.gettext("Thursdays"),
        words.gettext("Fridays"),
        words.gettext("Saturdays"),
    )


def weekdays_from(words: Words) -> Sequence[str]:
    """Return the days of the week, from Sunday, as in "from Monday"."""
    return (
        words.pgettext("from a day of the week", "Sunday"),
        words.pgettext("from a day of the week", "Monday"),
        words.pgettext("from a day of the week", "Tuesday"),
        words.pgettext("from a day of the week", "Wednesday"),
        words.pgettext("from a day of the week", "Thursday"),
        words.pgettext("from a day of the week", "Friday"),
        words.pgettext("from a day of the week", "Saturday"),
    )


def weekdays_to(words: Words) -> Sequence[str]:
    """Return the days of the week, from Sunday, as in "to Monday"."""
    return (
        words.pgettext("to a day of the week", "Sunday"),
        words.pgettext("to a day of the week", "Monday"),
        words.pgettext("to a day of the week", "Tuesday"),
        words.pgettext("to a day of the week", "Wednesday"),
        words.pgettext("to a day of the week", "Thursday"),
        words.pgettext("to a day of the week", "Friday"),
        words.pgettext("to a day of the week", "Saturday"),
    )


def weekdays_if(words: Words) -> Sequence[str]:
    """Return the days of the week, from Sunday, as in "if it is a Monday"."""
    return (
        words.pgettext("if it is a day of the week", "Sunday"),
        words.pgettext("if it is a day of the week", "Monday"),
        words.pgettext("if it is a day of the week", "Tuesday"),
        words.pgettext("if it is a day of the week", "Wednesday"),
        words.pgettext("if it is a day of the week", "Thursday"),
        words.pgettext("if it is a day of the week", "Friday"),
        words.pgettext("if it is a day of the week", "Saturday"),
    )


def months_in(words: Words) -> Sequence[str]:
    """Return the months, as in "in January"."""
    return (
        words.pgettext("in a month", "January"),
        words.pgettext("in a month", "February"),
        words.pgettext("in a month", "March"),
        words.pgettext("in a month", "April"),
        words.pgettext("in a month", "May"),
        words.pgettext("in a month", "June"),
        words.pgettext("in a month", "July"),
        words.pgettext("in a month", "August"),
        words.pgettext("in a month", "September"),
        words.pgettext("in a month", "October"),
        words.pgettext("in a month", "November"),
        words.pgettext("in a month", "December"),
    )


def months_of(words: Words) -> Sequence[str]:
    """Return the months, as in "on day 1 of January"."""
    return (
        words.pgettext("of a month", "January"),
        words.pgettext("of a month", "February"),
        words.pgettext("of a month", "March"),
        words.pgettext("of a month", "April"),
        words.pgettext("of a month", "May"),
        words.pgettext("of a month", "June"),
        words.pgettext("of a month", "July"),
        words.pgettext("of a month", "August"),
        words.pgettext("of a month", "September"),
        words.pgettext("of a month", "October"),
        words.pgettext("of a month", "November"),
        words.pgettext("of a month", "December"),
    )


def months_from(words: Words) -> Sequence[str]:
    """Return the months, as in "from January"."""
    return (
        words.pgettext("from a month", "January"),
        words.pgettext("from a month", "February"),
        words.pgettext("from a month", "March"),
        words.pgettext("from a month", "April"),
        words.pgettext("from a month", "May"),
        words.pgettext("from a month", "June"),
        words.pgettext("from a month", "July"),
        words.pgettext("from a month", "August"),
        words.pgettext("from a month", "September"),
        words.pgettext("from a month", "October"),
        words.pgettext("from a month", "November"),
        words.pgettext("from a month", "December"),
    )


def months_to(words: Words) -> Sequence[str]:
    """Return the months, as in "to January"."""
    return (
        words.pgettext("to a month", "January"),
        words.pgettext("to a month", "February"),
        words.pgettext("to a month", "March"),
        words.pgettext("to a month", "April"),
        words.pgettext("to a month", "May"),
        words.pgettext("to a month", "June"),
        words.pgettext("to a month", "July"),
        words.pgettext("to a month", "August"),
        words.pgettext("to a month", "September"),
        words.pgettext("to a month", "October"),
        words.pgettext("to a month", "November"),
        words.pgettext("to a month", "December"),
    )
