"""The aftermath: what becomes of the work of a child that has died. Pure rules.

* What it had not begun goes to another child; nothing is counted. So does what it had finished without yet saying so,
  if something else was running. If nothing was, the death is what a finished task has left behind (it had closed the
  descriptors of its process, for one), and the rules for what was running apply to it: else it would run for ever.
  What must not run twice fails.
* What was running when its hard limit fell due fails with ``TimeLimitExceeded``, and what was running although another
  run had replaced it is revoked; what ran beside it runs again, uncounted. So does everything that was running in a
  child the node itself has killed (cold shutdown).
* What was running when the child died by itself is counted: one crash more in the header ``celeriac-crashes``. If
  several were running, nobody knows the culprit: each becomes a suspect and runs once more alone, uncounted.
* At ``task_max_deliveries`` crashes the task fails with ``WorkerLostError`` and its message becomes a dead letter.
* A task that was acked before it began, or that says ``reject_on_worker_lost=False``, fails at once instead.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

import msgspec

from celeriac.brokers.base import Outcome, Settlement
from celeriac.protocol import envelope
from celeriac.worker.assignment import Assignment
from celeriac.worker.frames import Verdict

__all__ = ["CRASHES_HEADER", "SUSPECT_HEADER", "Aftermath", "Casualty", "judge"]

CRASHES_HEADER = "celeriac-crashes"
SUSPECT_HEADER = "celeriac-suspect"


@dataclass(frozen=True, slots=True, kw_only=True)
class Casualty:
    """A dead child's assignment, of which the child had taken the token."""

    assignment: Assignment
    #: It was on the child's board: begun and not ended.
    was_running: bool
    #: How it is to end: the child was killed for its sake.
    verdict: Verdict | None = None


@dataclass(slots=True)
class Aftermath:
    """What the node does about it."""

    #: To be given to another child, verdicts included.
    again: list[Assignment] = field(default_factory=list)
    #: For the broker: replaced by themselves with a new header.
    settlements: list[Settlement] = field(default_factory=list)
    #: Even their verdict has cost a child its life: the node reports it itself.
    hopeless: list[Assignment] = field(default_factory=list)
    #: Lines for the log.
    remarks: list[str] = field(default_factory=list)


def judge(casualties: Sequence[Casualty], *, ending: str, to_blame: bool, max_crashes: int) -> Aftermath:
    """Apply the rules.

    ``ending`` says in words how the child ended ("was killed by SIGKILL"); ``to_blame`` is False when the node killed
    it; ``max_crashes`` is ``task_max_deliveries``.
    """
    aftermath = Aftermath()
    killed_for_one = any(casualty.verdict is not None for casualty in casualties)
    running = sum(casualty.was_running for casualty in casualties)
    # Nothing ran: what had finished without saying so is to answer for it.
    blame_finished = not running
    running = running or len(casualties)
    for casualty in casualties:
        assignment = casualty.assignment
        if casualty.verdict is not None:
            aftermath.again.append(assignment.with_verdict(casualty.verdict))
        elif not (casualty.was_running or blame_finished or _fails_at_once(assignment)):
            aftermath.again.append(assignment)
        elif assignment.verdict is not None:
            (aftermath.hopeless if to_blame else aftermath.again).append(assignment)
        elif _fails_at_once(assignment):
            sentence = f"The process that ran the task {ending}."
            aftermath.again.append(assignment.with_verdict(Verdict("WorkerLostError", [sentence])))
        elif killed_for_one or not to_blame:
            aftermath.again.append(assignment)
        elif running > 1:
            aftermath.remarks.append(_remark(assignment, f"was one of {running} running; it runs again, alone"))
            aftermath.settlements.append(_replace(assignment, crashes=assignment.crashes, suspect=True))
        else:
            _count(aftermath, assignment, ending, max_crashes)
    return aftermath


def _fails_at_once(assignment: Assignment) -> bool:
    return assignment.acked_early or assignment.reject_on_worker_lost is False


def _count(aftermath: Aftermath, assignment: Assignment, ending: str, max_crashes: int) -> None:
    crashes = assignment.crashes + 1
    if crashes >= max_crashes:
        sentence = f"The process that ran the task {ending}, {crashes} times in all; it is kept as a dead letter."
        aftermath.remarks.append(_remark(assignment, f"has lost its process {crashes} times; it becomes a dead letter"))
        aftermath.again.append(assignment.with_verdict(Verdict("WorkerLostError", [sentence], dead_letter=True)))
        return
    aftermath.remarks.append(_remark(assignment, f"lost its process ({crashes} of {max_crashes} times); it runs again"))
    aftermath.settlements.append(_replace(assignment, crashes=crashes, suspect=False))


def _replace(assignment: Assignment, *, crashes: int, suspect: bool) -> Settlement:
    message = envelope.decode(assignment.delivery.envelope)
    headers = message.headers | {CRASHES_HEADER: crashes, SUSPECT_HEADER: suspect}
    return Settlement(
        delivery=assignment.delivery,
        outcome=Outcome.REPLACE,
        replacement=msgspec.structs.replace(message, headers=headers, not_before=None),
        run=assignment.run,
    )


def _remark(assignment: Assignment, what: str) -> str:
    return f"Task {assignment.task_name}[{assignment.task_id}] {what}."
