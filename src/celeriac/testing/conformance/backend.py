"""The conformance suite of the result backend port."""

from celeriac.testing.conformance.groups import Groups
from celeriac.testing.conformance.holding import RunHolding
from celeriac.testing.conformance.storing import Storing
from celeriac.testing.conformance.waiting import Waiting

__all__ = ["BackendConformance"]


class BackendConformance(Storing, Waiting, Groups, RunHolding):
    """Everything a result backend that keeps results has to do. Give ``make_backend``."""
