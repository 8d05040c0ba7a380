"""The node: the main thread of a worker, which binds everything together and runs no code of the user's.

Its life: *running*, *draining* (warm shutdown: nothing new is taken, what runs is finished until the deadline),
*leaving* (the children end), *ended*. OS signals only wake its loop, which acts:

=================  ==================================================================================
SIGTERM, SIGINT    warm shutdown; a second one: cold (children are killed, their work is given back)
SIGQUIT            cold shutdown at once
SIGHUP             replace all children and the app process by ones that import the code as it is now
SIGUSR1            write the stacks of this process to stderr
=================  ==================================================================================
"""

import enum
import faulthandler
import gc
import logging
import signal
import sys
import time
from collections import defaultdict
from collections.abc import Sequence

from celeriac.brokers.base import Outcome, Settlement
from celeriac.exceptions import BrokerUnavailable
from celeriac.supervision.os_signals import OsSignals
from celeriac.worker import conclusion
from celeriac.worker.admission import Admission
from celeriac.worker.aftermath import judge
from celeriac.worker.app_link import AppLink
from celeriac.worker.assignment import Assignment, LaneKind
from celeriac.worker.child import Child
from celeriac.worker.crew import Crew
from celeriac.worker.dispatcher import Dispatcher, Placement
from celeriac.worker.early_acks import EarlyAcks
from celeriac.worker.frames import Done, Facts, Frame, Started
from celeriac.worker.intake import Arrivals, Intake, Keep
from celeriac.worker.loop import Loop
from celeriac.worker.memory import keep_freed_memory
from celeriac.worker.options import NodeOptions
from celeriac.worker.pace import Pace
from celeriac.worker.renewal import Renewal
from celeriac.worker.runs import Runs
from celeriac.worker.status import Status

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


class _Phase(enum.Enum):
    RUNNING = "running"
    DRAINING = "draining"
    LEAVING = "leaving"


class Node:
    """One worker node, made of connected parts by ``worker.main``. ``run`` returns when it has ended."""

    def __init__(
        self,
        options: NodeOptions,
        *,
        loop: Loop,
        app_link: AppLink,
        intake: Intake,
        runs: Runs,
        crew: Crew,
        status: Status,
    ) -> None:
        self._options = options
        self._loop = loop
        self._app_link = app_link
        self._intake = intake
        self._runs = runs
        self._crew = crew
        self._status = status
        self._pace = Pace()
        self._dispatcher = Dispatcher(self._pace, runs_async=options.runs_async)
        self._admission = Admission(
            options, app_link=app_link, intake=intake, runs=runs, dispatcher=self._dispatcher, crew=crew
        )
        self._early_acks = EarlyAcks()
        self._os_signals = OsSignals(_SIGNALS)
        self._phase = _Phase.RUNNING
        #: When the phase must be over (monotonic).
        self._phase_until = float("inf")
        self._announced = False
        self._looked_at = self._memory_looked_at = 0.0
        #: The deliveries that are next to get a slot, and since when (monotonic).
        self._blocked: dict[int | str, float] = {}
        self._renewal = Renewal(app_link.facts, may_start_anew=options.reloads)
        app_link.on_facts = self._on_facts
        crew.on_frames = self._on_frames
        crew.on_end = self._on_child_end
        intake.on_arrivals = lambda: loop.act_meanwhile(self._hand_on)

    def run(self) -> bool:
        """Run until a shutdown is complete; True when it was for a new node, with new settings, to take over.

        Raises ``BrokerUnavailable`` when it ended because the broker was away for too long.
        """
        # The two threads hand over in microseconds; the default interval of 5 ms would be most of a task's latency.
        sys.setswitchinterval(0.0005)
        # What is here now stays; what comes is freed by its last user, with hardly a circle among it.
        gc.freeze()
        gc.set_threshold(20_000, 20, 50)
        keep_freed_memory()
        self._os_signals.install()
        self._loop.watch(self._os_signals.fileno(), self._on_os_signals)
        self._loop.watch(self._intake.fileno(), lambda: self._take_in(self._intake.collect()))
        self._loop.watch(self._runs.fileno(), self._take_answers)
        self._app_link.watch(self._loop)
        self._intake.start()
        try:
            while not (self._phase is _Phase.LEAVING and not self._crew.children):
                self._loop.run_once(self._timeout())
                self._tick(time.monotonic())
        finally:
            has_given_up = not self._intake.is_alive
            self._end()
        if has_given_up:
            raise BrokerUnavailable(self._status.outages.last_reason)
        return self._renewal.starts_anew

    # The loop.

    def _is_busy(self) -> bool:
        return bool(self._dispatcher.waiting_count) or any(child.is_busy for child in self._crew.children)

    def _timeout(self) -> float:
        timeout = _IDLE_TICK if self._phase is _Phase.RUNNING and not self._is_busy() else _BUSY_TICK
        if self._options.watches_memory:
            timeout = min(timeout, _MEMORY_TICK)
        next_start = self._crew.next_start()
        return timeout if next_start is None else min(timeout, max(0.0, next_start - time.monotonic()))

    def _tick(self, now: float) -> None:
        self._intake.main_thread_is_awake()
        self._wait_again(self._crew.tick(now))
        if now - self._looked_at >= _BUSY_TICK:
            self._looked_at = now
            self._look_at_children(now)
            self._app_link.tick(now)
        if self._options.watches_memory and now - self._memory_looked_at >= _MEMORY_TICK:
            self._memory_looked_at = now
            self._crew.check_memory()
        if self._phase is not _Phase.RUNNING:
            self._go_on_leaving(now)
        elif not self._intake.is_alive:
            logger.critical("This worker ends: its broker was away for too long (broker_connection_max_retries).")
            self._shut_down_cold()
        self._dispatch(now)
        if self._crew.was_ready and not self._announced:
            self._announced = True
            logger.info("%s is ready.", self._options.hostname)
            self._app_link.announce("worker_ready")

    def _look_at_children(self, now: float) -> None:
        """Enforce hard limits; take back what was read ahead behind a task that turned out long."""
        children = self._crew.children
        self._crew.check_reserved(now)
        self._status.children = [child.pid for child in children]
        self._status.active = sum(len(load) for child in children for load in child.loads)
        patience = self._dispatcher.patience(children, now)
        for child in children:
            if not child.is_busy:
                continue
            child.enforce_hard_limit(now)
            if child.replaced:
                child.end_replaced(now)
                self._crew.flush(child, LaneKind.ASYNC)
            if child.is_stuck(now, patience):
                self._wait_again(child.take_back_from(LaneKind.DEF))
            self._wait_again(child.take_back_from_blocked_loop(now))

    def _dispatch(self, now: float) -> None:
        children = self._crew.children
        if self._dispatcher.waiting_count:
            self._send(self._dispatcher.place(children, now))
        if self._phase is _Phase.RUNNING:
            self._intake.want(max(0, self._dispatcher.demand(children, now) - self._runs.asked))
            self._give_back_the_blocked(now)

    def _send(self, placements: Sequence[Placement[Child]]) -> None:
        by_lane: dict[tuple[Child, LaneKind], list[Placement[Child]]] = defaultdict(list)
        acks: list[Settlement] = []
        for placement in placements:
            assignment = placement.assignment
            was_pending = self._early_acks.is_pending(assignment.delivery)
            if not self._early_acks.must_wait(placement):
                by_lane[placement.workplace, assignment.lane].append(placement)
            elif not was_pending:
                acks.append(conclusion.without_running(assignment, Outcome.ACK))
        for (child, lane), batch in by_lane.items():
            self._give(child, lane, batch)
        self._intake.ack_first(acks)

    def _give(self, child: Child, lane: LaneKind, batch: Sequence[Placement[Child]]) -> None:
        if child.give(lane, batch):
            self._crew.flush(child, lane)
        self._crew.check_age(child)

    def _give_back_the_blocked(self, now: float) -> None:
        """What waits for a slot although all are taken goes back to the broker: another node may have a free one."""
        waiting = self._dispatcher.first_waiting if self._crew.was_ready else ()
        self._blocked = {tag: self._blocked.get(tag, now) for tag in waiting}
        if any(now - since > _PATIENCE for since in self._blocked.values()):
            self._blocked = {}
            # A suspect stays: a child is reserved for it.
            self._give_back(self._dispatcher.withdraw(lambda each: self._is_movable(each) and not each.suspect))

    def _give_back_waiting(self) -> None:
        self._give_back([*self._dispatcher.withdraw(self._is_movable), *self._runs.withdraw()])

    def _give_back(self, withdrawn: Sequence[Assignment]) -> None:
        self._intake.settle([conclusion.without_running(each, Outcome.REQUEUE) for each in withdrawn])

    def _is_movable(self, assignment: Assignment) -> bool:
        return assignment.verdict is None and not self._early_acks.holds(assignment)

    def _wait_again(self, assignments: Sequence[Assignment]) -> None:
        """Let assignments that a child had been given wait for another one, or give them back when nobody is left."""
        if assignments:
            self._dispatcher.put_back(assignments)
            if self._phase is not _Phase.RUNNING:
                self._give_back_waiting()

    # What comes in.

    def _take_in(self, arrivals: Arrivals) -> None:
        for delivery in arrivals.deliveries:
            self._admission.accept(delivery)
        for delivery in arrivals.acked:
            self._begin_acked(self._early_acks.confirm(delivery))
        for delivery in arrivals.lost:
            placement = self._early_acks.lose(delivery)
            placement.workplace.loads[placement.assignment.lane].remove(placement.sequence)
        if self._phase is not _Phase.RUNNING:
            self._give_back_waiting()

    def _hand_on(self) -> bool:
        """In the consumer thread: give what has come in to the children at once; return whether nothing is left."""
        self._take_in(self._intake.take_over())
        self._dispatch(time.monotonic())
        return not self._dispatcher.waiting_count

    def _begin_acked(self, placement: Placement[Child]) -> None:
        """Send what had to be acked first to its child, or let it wait for another one when that has begun to leave."""
        child, lane = placement.workplace, placement.assignment.lane
        if placement.sequence not in child.loads[lane].assignments:
            return
        if child.accepts_work:
            self._give(child, lane, [placement])
        else:
            child.loads[lane].remove(placement.sequence)
            self._wait_again([placement.assignment])

    def _take_answers(self) -> None:
        self._admission.take_answers()
        if self._phase is not _Phase.RUNNING:
            self._give_back_waiting()

    def _on_frames(self, child: Child, frames: list[Frame]) -> None:
        now = time.monotonic()
        settlements: list[Settlement] = []
        keeps: list[Keep] = []
        for frame in frames:
            if isinstance(frame, Done):
                if (assignment := child.finish(frame.sequence, now)) is None:
                    continue
                if assignment.verdict is None:
                    self._pace.observe(assignment.task_name or frame.task_name, frame.runtime)
                self._status.count(frame.state)
                if self._early_acks.finish(assignment):
                    keeps.append(conclusion.keep(frame))
                else:
                    settlements.append(conclusion.settlement(assignment, frame))
            elif isinstance(frame, Started):
                keeps.append(Keep(frame.result))
        self._intake.keep(keeps)
        self._intake.settle(settlements)

    def _on_child_end(self, child: Child, ending: str) -> None:
        unread = child.take_back()
        casualties, not_acked = child.casualties(self._early_acks.is_pending)
        child.log_end(ending, [each.assignment for each in casualties])
        aftermath = judge(
            casualties, ending=ending, to_blame=child.killed_for is None, max_crashes=self._options.max_crashes
        )
        for remark in aftermath.remarks:
            logger.warning("%s", remark)
        self._intake.settle(aftermath.settlements)
        for assignment in aftermath.hopeless:
            self._tell_hopeless(assignment)
        self._wait_again([*aftermath.again, *unread, *not_acked])

    def _tell_hopeless(self, assignment: Assignment) -> None:
        error = conclusion.verdict_error(assignment)
        settlement = conclusion.hopeless(assignment, error, lifetime=self._options.result_lifetime)
        if self._early_acks.finish(assignment):
            self._intake.keep([Keep(settlement.result)])
        else:
            self._intake.settle([settlement])

    # Leaving.

    def _on_os_signals(self) -> None:
        for number in self._os_signals.drain():
            if number == signal.SIGUSR1:
                faulthandler.dump_traceback(all_threads=True)
            elif number == signal.SIGHUP:
                self.reload()
            elif number != signal.SIGQUIT and self._renewal.starts_anew:
                self._renewal.starts_anew = False  # the warm shutdown goes on, and is one for good
            elif number == signal.SIGQUIT or self._phase is not _Phase.RUNNING:
                self._renewal.starts_anew = False
                self._shut_down_cold()
            else:
                self._shut_down_warm(number.name)

    def reload(self) -> None:
        """Replace the app process by one that imports the code as it is now, and then, if it can, the children."""
        logger.info("Reloading: what runs may finish.")
        self._renewal.begin()
        self._app_link.restart()

    def _on_facts(self, facts: Facts) -> None:
        """The app process has imported the app: now what runs old code, or was made from old settings, can go."""
        if self._phase is not _Phase.RUNNING:
            return
        if reason := self._renewal.note(facts):
            self._shut_down_warm(reason)
        elif self._renewal.end():
            self._crew.replace_all()

    def _shut_down_warm(self, reason: str) -> None:
        self._phase = _Phase.DRAINING
        self._phase_until = time.monotonic() + self._options.shutdown_timeout
        self._intake.want(0)
        for child in self._crew.children:
            self._wait_again(child.take_back())
        self._give_back_waiting()
        logger.info(
            "%s: warm shutdown. What runs (%d) may take %g s more; a second signal stops it at once.",
            reason,
            sum(len(load) for child in self._crew.children for load in child.loads),
            self._options.shutdown_timeout,
        )
        self._app_link.announce("worker_shutting_down")

    def _shut_down_cold(self) -> None:
        logger.warning("Cold shutdown: what runs is stopped and given back.")
        self._intake.want(0)
        self._leave(time.monotonic())
        self._crew.kill_all("the node is shutting down")

    def _leave(self, now: float) -> None:
        self._phase = _Phase.LEAVING
        self._phase_until = now + _LEAVE_PATIENCE
        self._wait_again(self._crew.stop())

    def _go_on_leaving(self, now: float) -> None:
        if self._phase is _Phase.DRAINING and not self._is_busy():
            self._leave(now)
        elif now >= self._phase_until:
            if self._phase is _Phase.DRAINING:
                logger.warning("The time for a warm shutdown is over.")
                self._shut_down_cold()
            else:
                self._crew.kill_all("it did not end by itself")

    def _end(self) -> None:
        self._give_back_waiting()
        for assignment in self._dispatcher.withdraw(lambda _: True):
            # Acked before it began, or with a verdict that no child could report any more.
            self._tell_hopeless(assignment)
        if not self._intake.stop(_INTAKE_PATIENCE):
            logger.error("The broker did not answer; what was not settled comes back when this node's lease ends.")
        self._runs.close()
        self._crew.close()
        self._app_link.announce("worker_shutdown")
        self._app_link.close()
        self._os_signals.restore()
        self._loop.close()
        logger.info("%s has stopped.", self._options.hostname)
