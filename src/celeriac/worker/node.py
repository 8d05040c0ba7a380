"""The node: the main thread of a worker, which binds everything together and runs no code of the user's.

Its life: *starting* (children boot), *running*, *draining* (warm shutdown: nothing new is taken, what runs is finished
until the deadline), *ended*. OS signals only wake its loop, which acts:

=================  ==================================================================================
SIGTERM, SIGINT    warm shutdown; a second one: cold (children are killed, their work is given back)
SIGQUIT            cold shutdown at once
SIGHUP             replace all children and the app process, one after the other, with the code as it is now
SIGUSR1            write all stacks of this process to stderr
=================  ==================================================================================
"""

import faulthandler
import logging
import signal
import sys
import time
from collections import defaultdict
from collections.abc import Iterable, Sequence

from celeriac.brokers.base import Delivery, Outcome, Settlement
from celeriac.exceptions import UnreadableMessage
from celeriac.supervision.os_signals import OsSignals
from celeriac.worker import conclusion
from celeriac.worker.aftermath import Casualty, judge
from celeriac.worker.app_link import AppLink
from celeriac.worker.assignment import Assignment, LaneKind, assign
from celeriac.worker.child import Child
from celeriac.worker.crew import Crew
from celeriac.worker.dispatcher import Dispatcher, Placement
from celeriac.worker.frames import Done, Frame, Started
from celeriac.worker.intake import Intake, Keep
from celeriac.worker.loop import Loop
from celeriac.worker.options import NodeOptions
from celeriac.worker.pace import Pace
from celeriac.worker.standing import Standing

__all__ = ["Node"]

logger = logging.getLogger("celeriac.worker")

#: Seconds between two looks at the boards and the read-ahead, while something runs.
_BUSY_TICK = 0.025
#: Seconds between two looks at anything while nothing runs.
_IDLE_TICK = 5.0
_MEMORY_TICK = 1.0
#: Seconds a delivery waits for a slot before it is given back, for another node to run.
_PATIENCE = 0.1
#: Seconds a child that has nothing left to do may take to end before it is killed.
_LEAVE_PATIENCE = 5.0
_INTAKE_PATIENCE = 10.0
_SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGQUIT, signal.SIGHUP, signal.SIGUSR1)


class Node:
    """One worker node. ``run`` returns the exit status."""

    def __init__(
        self, options: NodeOptions, *, loop: Loop, app_link: AppLink, intake: Intake, crew: Crew, standing: Standing
    ) -> None:
        self._options = options
        self._loop = loop
        self._app_link = app_link
        self._intake = intake
        self._crew = crew
        self._standing = standing
        self._pace = Pace()
        self._dispatcher = Dispatcher(self._pace, runs_async=options.runs_async)
        self._os_signals = OsSignals(_SIGNALS)
        self._announced = False
        self._draining = False
        self._drain_until = 0.0
        self._leaving_since: float | None = None
        self._last_look = 0.0
        self._last_memory_look = 0.0
        self._blocked_since: float | None = None
        crew.on_frames = self._on_frames
        crew.on_end = self._on_child_end

    def run(self) -> int:
        """Run until a shutdown is complete; return 0."""
        # The two threads hand over in microseconds; the default interval of 5 ms would be most of a task's latency.
        sys.setswitchinterval(0.0005)
        self._os_signals.install()
        self._loop.watch(self._os_signals.fileno(), self._on_os_signals)
        self._loop.watch(self._intake.fileno(), self._on_intake)
        self._intake.start_consuming()
        try:
            while not self._is_done():
                self._loop.run_once(self._timeout())
                self._tick(time.monotonic())
        finally:
            self._end()
        return 0

    # The loop.

    def _timeout(self) -> float:
        now = time.monotonic()
        timeout = _BUSY_TICK if self._is_busy() or self._draining else _IDLE_TICK
        if self._options.watches_memory:
            timeout = min(timeout, _MEMORY_TICK)
        next_start = self._crew.next_start()
        if next_start is not None:
            timeout = min(timeout, max(0.0, next_start - now))
        return timeout

    def _is_busy(self) -> bool:
        return bool(self._dispatcher.waiting_count) or any(child.is_busy for child in self._crew.children)

    def _tick(self, now: float) -> None:
        self._put_back(self._crew.tick(now))
        if now - self._last_look >= _BUSY_TICK:
            self._last_look = now
            self._enforce_hard_limits(now)
            self._free_the_stuck(now)
            self._app_link.tick(now)
        if self._options.watches_memory and now - self._last_memory_look >= _MEMORY_TICK:
            self._last_memory_look = now
            self._crew.check_memory()
        if self._draining:
            self._drain(now)
        self._dispatch(now)
        if not self._announced and self._crew.was_ready:
            self._announced = True
            logger.info("%s is ready.", self._options.hostname)
            self._app_link.announce("worker_ready")

    def _dispatch(self, now: float) -> None:
        children = self._crew.children
        placements = self._dispatcher.place(children, now) if self._dispatcher.waiting_count else []
        if placements:
            self._send(placements)
        if self._draining:
            self._intake.want(0)
            return
        self._intake.want(self._dispatcher.demand(children))
        self._give_back_the_blocked(now)

    def _send(self, placements: Sequence[Placement[Child]]) -> None:
        by_lane: dict[tuple[Child, LaneKind], list[Placement[Child]]] = defaultdict(list)
        acks_first: list[Delivery] = []
        for placement in placements:
            assignment = placement.assignment
            if assignment.acked_early and assignment.verdict is None and not self._standing.is_acked(assignment):
                acks_first.append(assignment.delivery)
                self._standing.await_ack(placement)
            else:
                by_lane[placement.workplace, assignment.lane].append(placement)
        for (child, lane), batch in by_lane.items():
            child.give(lane, batch)
            self._crew.flush(child, lane)
            self._crew.check_age(child)
        self._intake.ack_first(acks_first)

    def _give_back_the_blocked(self, now: float) -> None:
        """What waits for a slot although all are taken goes back to the broker: another node may have a free one."""
        if not self._dispatcher.waiting_count or not self._crew.was_ready:
            self._blocked_since = None
        elif self._blocked_since is None:
            self._blocked_since = now
        elif now - self._blocked_since > _PATIENCE:
            self._requeue(self._dispatcher.withdraw())
            self._blocked_since = None

    def _enforce_hard_limits(self, now: float) -> None:
        for child in self._crew.children:
            if not child.is_busy or child.overdue is not None:
                continue
            for row in child.running():
                if row.deadline and now > row.deadline:
                    child.overdue = row.sequence
                    child.overdue_after = round(row.deadline - row.began, 3)
                    child.kill("hard time limit")
                    break

    def _free_the_stuck(self, now: float) -> None:
        """Take back what was read ahead behind a task that turned out long."""
        for child in self._crew.children:
            for lane in LaneKind:
                if child.loads[lane].is_stuck(now):
                    self._put_back(child.take_back_from(lane))

    # What comes in.

    def _on_intake(self) -> None:
        deliveries, acked = self._intake.collect()
        for delivery in deliveries:
            try:
                self._dispatcher.add(assign(delivery, self._app_link.facts.tasks))
            except UnreadableMessage as error:
                logger.error("A message from queue %s is kept as a dead letter. %s", delivery.queue, error)
                self._intake.settle([Settlement(delivery=delivery, outcome=Outcome.REJECT, reason=str(error))])
        for placement in self._standing.acked(acked):
            child = placement.workplace
            if child in self._crew.children:
                child.give(placement.assignment.lane, [placement])
                self._crew.flush(child, placement.assignment.lane)
        if self._draining:
            self._requeue(self._dispatcher.withdraw())

    def _on_frames(self, child: Child, frames: list[Frame]) -> None:
        now = time.monotonic()
        settlements: list[Settlement] = []
        keeps: list[Keep] = []
        for frame in frames:
            if isinstance(frame, Done):
                assignment = child.finish(frame.sequence, now)
                if assignment is not None:
                    self._conclude(assignment, frame, settlements, keeps)
            elif isinstance(frame, Started):
                keeps.append(Keep(frame.result))
        self._intake.keep(keeps)
        self._intake.settle(settlements)

    def _conclude(
        self, assignment: Assignment, done: Done, settlements: list[Settlement], keeps: list[Keep]
    ) -> None:
        if assignment.verdict is None:
            self._pace.observe(assignment.task_name or done.task_name, done.runtime)
        self._standing.count(done.state)
        if self._standing.forget(assignment):
            keeps.append(conclusion.keep(done))
        else:
            settlements.append(conclusion.settlement(assignment, done))

    def _on_child_end(self, child: Child, ending: str) -> None:
        running = {row.sequence for row in child.running()}
        unread = child.take_back()
        casualties: list[Casualty] = []
        for load in child.loads:
            for sequence, (assignment, _) in list(load.assignments.items()):
                overdue = child.overdue_after if sequence == child.overdue else None
                casualties.append(
                    Casualty(assignment=assignment, was_running=sequence in running, overdue_after=overdue)
                )
                load.remove(sequence)
        if casualties or child.killed_for is None:
            cause = f" ({child.killed_for})" if child.killed_for else ""
            logger.log(
                logging.ERROR if running else logging.INFO, "Child process %d %s%s.", child.pid, ending, cause
            )
        aftermath = judge(
            casualties,
            ending=ending,
            to_blame=child.killed_for is None,
            max_crashes=self._options.max_crashes,
        )
        for remark in aftermath.remarks:
            logger.warning("%s", remark)
        hopeless = [
            conclusion.hopeless(assignment, lifetime=self._options.result_lifetime)
            for assignment in aftermath.hopeless
        ]
        self._intake.settle([*aftermath.settlements, *hopeless])
        self._put_back([*aftermath.again, *unread])

    def _put_back(self, assignments: Sequence[Assignment]) -> None:
        if not assignments:
            return
        self._dispatcher.put_back(assignments)
        if self._draining:
            self._requeue(self._dispatcher.withdraw())

    def _requeue(self, assignments: Iterable[Assignment]) -> None:
        settlements = []
        for assignment in assignments:
            if self._standing.forget(assignment):
                # Acked, but not begun: nobody else can run it, so it stays here.
                self._dispatcher.put_back([assignment])
                self._standing.remember_acked(assignment)
            else:
                settlements.append(Settlement(delivery=assignment.delivery, outcome=Outcome.REQUEUE))
        self._intake.settle(settlements)

    # Shutdown.

    def _on_os_signals(self) -> None:
        for number in self._os_signals.drain():
            if number == signal.SIGUSR1:
                faulthandler.dump_traceback(all_threads=True)
            elif number == signal.SIGHUP:
                self.reload()
            elif number == signal.SIGQUIT or (self._draining and number in {signal.SIGINT, signal.SIGTERM}):
                self._shut_down_cold()
            else:
                self._shut_down_warm(number)

    def reload(self) -> None:
        """Replace the children and the app process by ones that import the code as it is now."""
        logger.info("Reloading: each child finishes what it runs and is replaced.")
        self._app_link.restart()
        self._crew.replace_all()

    def _shut_down_warm(self, number: int) -> None:
        now = time.monotonic()
        self._draining = True
        self._drain_until = now + self._options.shutdown_timeout
        busy = sum(len(load) for child in self._crew.children for load in child.loads)
        logger.info(
            "%s: warm shutdown. Up to %g s for %d running tasks; a second signal stops at once.",
            signal.Signals(number).name,
            self._options.shutdown_timeout,
            busy,
        )
        self._app_link.announce("worker_shutting_down")
        self._intake.want(0)
        for child in self._crew.children:
            self._put_back(child.take_back())
        self._requeue(self._dispatcher.withdraw())

    def _drain(self, now: float) -> None:
        if now >= self._drain_until and self._leaving_since is None:
            logger.warning("The time for a warm shutdown is over: what still runs is given back.")
            self._shut_down_cold()
        elif self._leaving_since is None and not self._is_busy():
            self._leaving_since = now
            self._put_back(self._crew.stop())
        elif self._leaving_since is not None and now - self._leaving_since > _LEAVE_PATIENCE:
            self._crew.kill_all("it did not end by itself")

    def _shut_down_cold(self) -> None:
        if not self._draining:
            logger.warning("Cold shutdown: running tasks are stopped and given back.")
            self._app_link.announce("worker_shutting_down")
        self._draining = True
        self._leaving_since = self._leaving_since or time.monotonic()
        self._crew.kill_all("cold shutdown")

    def _is_done(self) -> bool:
        return self._draining and self._leaving_since is not None and not self._crew.children

    def _end(self) -> None:
        # What is left has lost its children: the acked can only be told as failures, the rest goes back.
        for assignment in self._dispatcher.withdraw_all():
            if self._standing.forget(assignment) or assignment.verdict is not None:
                self._intake.settle_hopeless(assignment, lifetime=self._options.result_lifetime)
            else:
                self._intake.settle([Settlement(delivery=assignment.delivery, outcome=Outcome.REQUEUE)])
        if not self._intake.stop(_INTAKE_PATIENCE):
            logger.error("The broker did not answer; what was not settled comes back when this node's lease ends.")
        self._crew.close()
        self._app_link.announce("worker_shutdown")
        self._app_link.close()
        self._os_signals.restore()
        self._loop.close()
        logger.info("%s has stopped.", self._options.hostname)
