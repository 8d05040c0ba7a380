"""The conformance suite of the timetable port."""

from celeriac.testing.conformance.claims import Claims
from celeriac.testing.conformance.entries import Entries
from celeriac.testing.conformance.leading import Leading
from celeriac.testing.conformance.moments import Moments
from celeriac.testing.conformance.runs import Runs

__all__ = ["TimetableConformance"]


class TimetableConformance(Entries, Moments, Claims, Runs, Leading):
    """Everything a timetable has to do. Give ``make_broker`` and ``make_timetable``."""
