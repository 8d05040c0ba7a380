"""The runs: what a node asks the result store about runs of schedule entries, in a thread of its own.

Where a claim cannot publish in one step a run may be published twice, under one id. So its message says that it is to
run *once*, and its node holds the id in the result store first (``ResultBackend.hold``):

* it is ours: the run begins. The holding is renewed until the delivery is settled, which the consumer thread tells;
* it has ended: the message is acked, and nothing runs;
* another node holds it: the delivery is put off for a while, and then asked for again. It is never dropped, for
  if that node dies either message may be the one that is left.

A message may also say that its run is *replaceable*: if its result is REVOKED another run has taken its place, and it
does not begin; while it runs that is looked at again and again, and it is stopped.

The thread begins with the first such run. It is not the consumer thread, for a holding has to be renewed while the
broker is away, and a store that does not answer must keep nobody else's task waiting. While the store is away the
deliveries wait.
"""

import contextlib
import logging
import os
import threading
import time
import uuid
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from celeriac import states
from celeriac.backends.base import Holding, ResultBackend
from celeriac.exceptions import OperationalError
from celeriac.worker.assignment import Assignment

__all__ = ["Answers", "Runs"]

logger = logging.getLogger("celeriac.worker.runs")

#: Of the time for which a run is held, what lies between two renewals.
_RENEWAL = 1 / 4
#: And what passes before a run that another node holds is asked for again.
_PUT_OFF = 1 / 6
#: Seconds between two looks whether others have replaced what runs.
_LOOK_EVERY = 0.5
#: Seconds between two attempts while the store is away.
_PAUSE = 1.0
#: Seconds the thread may take to let go of what is held, at the end.
_FAREWELL = 5.0


class Answers(NamedTuple):
    """What the main thread is to do."""

    #: They may begin.
    to_run: list[Assignment]
    #: They have ended elsewhere.
    ended: list[Assignment]
    #: Others have replaced them, before they have begun; and those that have, by id.
    replaced: list[Assignment]
    to_stop: list[str]


@dataclass(slots=True)
class _Question:
    assignment: Assignment
    #: Not to be asked before (monotonic); 0: not asked yet.
    ask_at: float = 0.0


class Runs:
    """Asks for the main thread's runs, and keeps those it has got. All but ``note_settled`` is for the main thread."""

    def __init__(self, backend: ResultBackend, *, lease: float) -> None:
        """``lease`` is how long this node may be silent before its runs go to others (seconds)."""
        self._backend = backend
        self._lease = lease
        self._put_off = lease * _PUT_OFF
        #: Nobody else's, not even this node's of a former life.
        self._holder = uuid.uuid4().hex
        self._lock = threading.Lock()
        self._changed = threading.Event()
        #: By the tags of their deliveries.
        self._questions: dict[int | str, _Question] = {}
        #: By their ids, each with the delivery for which it is held: the end of another one of the run changes nothing.
        self._held: dict[str, int | str] = {}
        #: What may run here and be replaced, until it has ended: a delivery may be acked before that.
        self._watched: set[str] = set()
        self._look_at = 0.0
        self._settled: list[int | str] = []
        self._answers = Answers([], [], [], [])
        self._renew_at = 0.0
        self._is_away = False
        self._stopping = False
        self._thread: threading.Thread | None = None
        self._reader, self._writer = os.pipe()
        os.set_blocking(self._reader, False)
        os.set_blocking(self._writer, False)

    @property
    def asked(self) -> int:
        """How many deliveries wait for their first answer."""
        if self._thread is None:
            return 0
        with self._lock:
            return sum(not question.ask_at for question in self._questions.values())

    def fileno(self) -> int:
        """Return a descriptor that is readable when there are answers."""
        return self._reader

    def ask(self, assignment: Assignment) -> None:
        """Find out whether it may run; the answer comes by ``collect``."""
        with self._lock:
            self._questions[assignment.delivery.tag] = _Question(assignment)
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="runs", daemon=True)
            self._thread.start()
        self._changed.set()

    def collect(self) -> Answers:
        """Return the answers since the last time, and have the descriptor readable no more."""
        with contextlib.suppress(BlockingIOError):
            os.read(self._reader, 4096)
        with self._lock:
            answers, self._answers = self._answers, Answers([], [], [], [])
        return answers

    def withdraw(self) -> list[Assignment]:
        """Return those that wait for an answer, to be given back to the broker; they are asked for no more."""
        if self._thread is None:
            return []
        with self._lock:
            withdrawn = [question.assignment for question in self._questions.values()]
            self._questions.clear()
        return withdrawn

    def note_settled(self, tags: Sequence[int | str]) -> None:
        """Hold no more what is held for these deliveries, which are settled. For the consumer thread."""
        if tags:
            with self._lock:
                self._settled.extend(tags)
            self._changed.set()

    def close(self) -> None:
        """Let go of everything, and end. Safe to call twice."""
        self._stopping = True
        self._changed.set()
        if self._thread is not None:
            self._thread.join(_FAREWELL)

    # The thread.

    def _run(self) -> None:
        while True:
            # Before any look at what it may stand for, ``close`` among that.
            self._changed.clear()
            if self._stopping:
                break
            try:
                self._turn(time.monotonic())
                self._tell_back()
                pause = self._pause(time.monotonic())
            except Exception as error:  # noqa: BLE001 - without this thread no run would begin any more
                self._tell_away(error)
                pause = _PAUSE
            self._changed.wait(pause)
        with contextlib.suppress(OperationalError):
            if self._held:
                self._backend.let_go(list(self._held), self._holder)

    def _turn(self, now: float) -> None:
        self._let_go()
        # Before the questions: one that cannot be answered must not cost the others what they have.
        if self._held and now >= self._renew_at:
            self._renew()
            self._renew_at = now + self._lease * _RENEWAL
        questions = self._due(now)
        if questions:
            self._answer(questions, self._asked_of(questions.values()))
        if self._watched and now >= self._look_at:
            self._look()
            self._look_at = now + _LOOK_EVERY

    def _pause(self, now: float) -> float | None:
        """Return for how long there is nothing to do; None: until somebody asks."""
        with self._lock:
            moments = [question.ask_at for question in self._questions.values()]
        if self._held:
            moments.append(self._renew_at)
        if self._watched:
            moments.append(self._look_at)
        return max(0.0, min(moments) - now) if moments else None

    def _let_go(self) -> None:
        with self._lock:
            tags = set(self._settled)
            count = len(self._settled)
        if not count:
            return
        settled = [task_id for task_id, tag in self._held.items() if tag in tags]
        if settled:
            self._backend.let_go(settled, self._holder)
            for task_id in settled:
                del self._held[task_id]
        with self._lock:
            del self._settled[:count]

    def _due(self, now: float) -> dict[str, _Question]:
        """Return what is to be asked now, by id. Of two with one id, or one that is held already, the other waits."""
        due: dict[str, _Question] = {}
        with self._lock:
            for question in self._questions.values():
                if question.ask_at > now:
                    continue
                task_id = question.assignment.task_id
                if task_id in due or (question.assignment.once and task_id in self._held):
                    question.ask_at = now + self._put_off
                else:
                    due[task_id] = question
        return due

    def _asked_of(self, questions: Iterable[_Question]) -> dict[str, Holding | None]:
        """Ask the store; None says that another run has replaced one."""
        assignments = [question.assignment for question in questions]
        replaced = self._find_replaced([each.task_id for each in assignments if each.replaceable])
        once = {each.task_id: each.delivery.tag for each in assignments if each.once and each.task_id not in replaced}
        held = self._backend.hold(list(once), self._holder, self._lease) if once else {}
        self._held.update((task_id, once[task_id]) for task_id, holding in held.items() if holding is Holding.OURS)
        return {
            task_id: None if task_id in replaced else held.get(task_id, Holding.OURS)
            for task_id in (each.task_id for each in assignments)
        }

    def _find_replaced(self, task_ids: Sequence[str]) -> set[str]:
        if not task_ids:
            return set()
        return {task_id for task_id, state in self._backend.states(task_ids).items() if state == states.REVOKED}

    def _answer(self, questions: dict[str, _Question], holdings: dict[str, Holding | None]) -> None:
        with self._lock:
            for task_id, question in questions.items():
                holding, assignment = holdings[task_id], question.assignment
                if holding is Holding.TAKEN:
                    if not question.ask_at:
                        logger.info("Run %s[%s] is another node's and waits.", assignment.task_name, task_id)
                    question.ask_at = time.monotonic() + self._put_off
                elif self._questions.pop(assignment.delivery.tag, None) is None:
                    # Withdrawn meanwhile.
                    self._settled.append(assignment.delivery.tag)
                elif holding is Holding.OURS:
                    if assignment.replaceable:
                        self._watched.add(task_id)
                    self._answers.to_run.append(assignment)
                elif holding is None:
                    self._answers.replaced.append(assignment)
                else:
                    self._answers.ended.append(assignment)
        self._notify()

    def _renew(self) -> None:
        holdings = self._backend.hold(list(self._held), self._holder, self._lease)
        for task_id, holding in holdings.items():
            if holding is Holding.TAKEN:
                del self._held[task_id]
                logger.warning("Another node has begun run %s too, as this one could not say that it goes on.", task_id)

    def _look(self) -> None:
        known = self._backend.states(list(self._watched))
        self._watched -= {task_id for task_id, state in known.items() if state in states.READY_STATES}
        replaced = [task_id for task_id, state in known.items() if state == states.REVOKED]
        if replaced:
            with self._lock:
                self._answers.to_stop.extend(replaced)
            self._notify()

    def _tell_away(self, error: Exception) -> None:
        if not isinstance(error, OperationalError):
            logger.error("Asking for runs has failed in a way that it should not; trying again.", exc_info=error)
        elif not self._is_away:
            logger.error("The result store cannot be asked for runs, which wait until it is back. %s", error)
        self._is_away = True

    def _tell_back(self) -> None:
        if self._is_away:
            self._is_away = False
            logger.warning("The result store can be asked for runs again.")

    def _notify(self) -> None:
        with contextlib.suppress(BlockingIOError):
            os.write(self._writer, b"\0")
