"""A worker's work without a worker: receive, execute, settle, in this process, with the real engines."""

import asyncio
from collections.abc import Iterator
from typing import Self

from celeriac import Celeriac
from celeriac.brokers.base import Delivery, Outcome, Settlement
from celeriac.exceptions import CeleriacError
from celeriac.execution import Execution, Report, refuse
from celeriac.protocol import envelope
from celeriac.protocol.message import Message

HOST = "bench@here"


class Bench:
    """One consumer of an app's queues."""

    def __init__(self, app: Celeriac, *queues: str) -> None:
        self.app = app
        self._consumer = app.broker.consumer(app.router.select_queues(queues), node=HOST, results=app.backend)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._consumer.close()

    def receive(self) -> Delivery | None:
        """Take one message that is due."""
        deliveries = self._consumer.receive(1, 0.0)
        return deliveries[0] if deliveries else None

    def messages(self) -> Iterator[Message]:
        """Take messages and ack them unread."""
        while (delivery := self.receive()) is not None:
            yield envelope.decode(delivery.envelope)
            self.settle(delivery, None)

    def run_one(self) -> Report:
        """Run one message to its end; there must be one."""
        delivery = self.receive()
        assert delivery is not None, "no message is due"
        report = self._execute(delivery)
        self.settle(delivery, report)
        return report

    def run_all(self) -> list[Report]:
        """Run what is due, and what comes of it, until nothing is."""
        reports = []
        while (delivery := self.receive()) is not None:
            reports.append(self._execute(delivery))
            self.settle(delivery, reports[-1])
        return reports

    def execution(self, delivery: Delivery) -> Execution:
        return Execution.from_message(
            self.app,
            envelope.decode(delivery.envelope),
            ordinal=delivery.execution,
            redelivered=delivery.redelivered,
            hostname=HOST,
        )

    def settle(self, delivery: Delivery, report: Report | None) -> None:
        if report is None:
            settlement = Settlement(delivery=delivery, outcome=Outcome.ACK)
        else:
            settlement = Settlement(
                delivery=delivery,
                outcome=report.outcome,
                result=report.result,
                follow_ups=report.follow_ups,
                replacement=report.replacement,
                reason=report.reason,
            )
        assert self._consumer.settle([settlement]) == []

    def _execute(self, delivery: Delivery) -> Report:
        try:
            execution = self.execution(delivery)
        except CeleriacError as error:
            message = envelope.decode(delivery.envelope)
            return refuse(self.app, message, error, ordinal=delivery.execution, hostname=HOST)
        return asyncio.run(execution.arun()) if execution.is_async else execution.run()
