"""The admission: which deliveries may run here, from their arrival to their place among those that wait for a slot."""

import logging

from celeriac.brokers.base import Delivery, Outcome, Settlement
from celeriac.exceptions import UnreadableMessage
from celeriac.worker import conclusion
from celeriac.worker.app_link import AppLink
from celeriac.worker.assignment import assign
from celeriac.worker.crew import Crew
from celeriac.worker.dispatcher import Dispatcher
from celeriac.worker.intake import Intake
from celeriac.worker.options import NodeOptions
from celeriac.worker.replacing import REPLACED
from celeriac.worker.runs import Runs

__all__ = ["Admission"]

logger = logging.getLogger("celeriac.worker")


class Admission:
    """Reads deliveries, asks about runs of schedule entries, and has those stopped that others have replaced."""

    def __init__(
        self,
        options: NodeOptions,
        *,
        app_link: AppLink,
        intake: Intake,
        runs: Runs,
        dispatcher: Dispatcher,
        crew: Crew,
    ) -> None:
        self._options = options
        self._app_link = app_link
        self._intake = intake
        self._runs = runs
        self._dispatcher = dispatcher
        self._crew = crew

    def accept(self, delivery: Delivery) -> None:
        """Let it wait for a slot, or for an answer; what nobody can read is kept as a dead letter."""
        try:
            assignment = assign(
                delivery,
                self._app_link.facts.tasks,
                has_async_lanes=self._options.runs_async,
                holds_runs=self._options.holds_runs,
            )
        except UnreadableMessage as error:
            logger.error("A message from queue %s is kept as a dead letter. %s", delivery.queue, error)
            self._intake.settle([Settlement(delivery=delivery, outcome=Outcome.REJECT, reason=str(error))])
            return
        if assignment.asks:
            # From now on it is of interest to somebody.
            self._intake.on_settled_runs = self._runs.note_settled
            self._runs.ask(assignment)
        else:
            self._dispatcher.add(assignment)

    def take_answers(self) -> None:
        """Do what has been found out about runs."""
        answers = self._runs.collect()
        for assignment in answers.replaced:
            # First: it needs a slot for a moment only.
            self._dispatcher.add(assignment.with_verdict(REPLACED))
        for assignment in answers.to_run:
            self._dispatcher.add(assignment)
        for assignment in answers.ended:
            logger.info("Run %s[%s] has ended already and does not run.", assignment.task_name, assignment.task_id)
        self._intake.settle([conclusion.without_running(each, Outcome.ACK) for each in answers.ended])
        for task_id in answers.to_stop:
            self._stop(task_id)

    def _stop(self, task_id: str) -> None:
        """End a run that another one has replaced, wherever it is."""
        waiting = self._dispatcher.withdraw(lambda each: each.task_id == task_id and each.verdict is None)
        for child in self._crew.children:
            taken = child.replace(task_id)
            waiting += [each for each in taken if each.task_id == task_id]
            self._dispatcher.put_back([each for each in taken if each.task_id != task_id])
        self._dispatcher.put_back([each.with_verdict(REPLACED) for each in waiting])
