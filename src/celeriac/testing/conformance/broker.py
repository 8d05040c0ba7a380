"""The conformance suite of the broker port."""

from celeriac.testing.conformance.broadcasts import Broadcasts
from celeriac.testing.conformance.dead_letters import DeadLetters
from celeriac.testing.conformance.delays import Delays
from celeriac.testing.conformance.leases import Leases
from celeriac.testing.conformance.publishing import Publishing
from celeriac.testing.conformance.queues import Queues
from celeriac.testing.conformance.receiving import Receiving
from celeriac.testing.conformance.settling import Settling

__all__ = ["BrokerConformance"]


class BrokerConformance(Publishing, Receiving, Delays, Settling, Leases, Queues, DeadLetters, Broadcasts):
    """Everything a broker has to do. Give ``make_broker`` and ``make_backend``."""
