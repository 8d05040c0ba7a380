"""Whether each due moment was published once, or once late by its entry's policy."""

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from celeriac.beat.planning import GRACE
from tests.beat.clockwork import Clockwork, Execution
from tests.beat.storm import Window
from tests.beat.taps import Claimed

__all__ = ["Verdict", "judge"]

#: Seconds that a machine busy with other things may add to a wait.
SLACK = 3.0


@dataclass
class Verdict:
    """The counts, and in ``faults`` what contradicts the promise."""

    claimed: int = 0
    #: Messages at the broker.
    published: int = 0
    #: Ids published more than once.
    doubled: int = 0
    executions: int = 0
    #: Runs that ended more than once.
    ended_twice: int = 0
    #: Due moments that the policies ``once`` and ``skip`` have left out.
    left_out: Counter[str] = field(default_factory=Counter)
    #: Runs that were more than ``GRACE`` seconds late.
    late: int = 0
    #: Seconds: the longest time that a due moment has waited.
    longest_wait: float = 0.0
    waits: list[tuple[float, float]] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        """Say it in a line for each count."""
        told = {name: value for name, value in vars(self).items() if name not in {"faults", "waits"}}
        return "\n".join([*(f"{name}: {value}" for name, value in told.items()), *self.faults[:50]])


def judge(
    clockwork: Clockwork,
    namespace: str,
    claimed: Sequence[Claimed],
    published: Counter[str],
    executions: dict[str, list[Execution]],
    *,
    begin: float,
    end: float,
    windows: Sequence[Window],
) -> Verdict:
    """Compare the claims with the schedules, and the messages and the executions with the claims.

    From ``begin`` on all entries were there; what was due until ``end`` has been claimed.
    """
    verdict = Verdict(claimed=len(claimed), published=published.total())
    by_entry: dict[int, list[Claimed]] = defaultdict(list)
    for run in claimed:
        by_entry[clockwork.number(run.entry)].append(run)
    for number in range(clockwork.entries):
        runs = sorted(by_entry[number], key=lambda run: run.due)
        _judge_entry(verdict, clockwork, number, runs, namespace=namespace, begin=begin, end=end, windows=windows)
    _judge_waits(verdict, windows)
    _judge_messages(verdict, Counter(run.id for run in claimed), published)
    _judge_executions(verdict, published, executions)
    return verdict


def _judge_entry(
    verdict: Verdict,
    clockwork: Clockwork,
    number: int,
    runs: Sequence[Claimed],
    *,
    namespace: str,
    begin: float,
    end: float,
    windows: Sequence[Window],
) -> None:
    interval, policy = clockwork.interval(number), clockwork.policy(number)
    if not runs:
        if end - begin > 2 * interval + SLACK:
            verdict.faults.append(f"entry {number} never ran")
        return
    # A moment before its first run may have been left out, too.
    expected = min(runs[0].due, (begin // interval + 1) * interval)
    for run in runs:
        if run.id != clockwork.run_id(namespace, number, run.due) or run.due % interval:
            verdict.faults.append(f"{run} is no run of entry {number}")
        if run.due < expected:
            verdict.faults.append(f"{run} is there twice")
            continue
        left_out = round((run.due - expected) / interval)
        wait = run.at - expected
        verdict.longest_wait = max(verdict.longest_wait, wait)
        verdict.waits.append((expected, run.at))
        verdict.late += run.at - run.due > GRACE
        if left_out:
            verdict.left_out[policy] += left_out
            fault = _fault(policy, run, interval, windows)
            if fault:
                verdict.faults.append(f"{left_out} before {run} of entry {number} are missing: {fault}")
        expected = run.due + interval
    if expected < end:
        verdict.faults.append(f"entry {number}: nothing since {expected}, {end - expected:.1f} s before the end")


def _fault(policy: str, run: Claimed, interval: float, windows: Sequence[Window]) -> str:
    """Say what is wrong about moments that were left out before a run.

    One that was stopped after its plan was made claims the moment that was the latest then, if nobody has meanwhile.
    """
    if policy == "all":
        return "all are to run"
    lateness = run.at - run.due
    if policy == "skip" and lateness > GRACE + SLACK:
        return "those that are missed are not to run"
    is_stale = any(window.begin <= run.due + interval + SLACK and run.at <= window.end + SLACK for window in windows)
    return "" if lateness < interval + SLACK or is_stale else "the latest is to run"


def _judge_waits(verdict: Verdict, windows: Sequence[Window]) -> None:
    """Whatever waited for long did so while nobody could be expected to publish."""
    ordered = list(_united(windows))
    faults: Counter[tuple[float, float]] = Counter()
    for due, at in verdict.waits:
        if at - due > SLACK and not any(begin <= due + SLACK and at <= end + SLACK for begin, end in ordered):
            faults[round(due), round(at)] += 1
    for (due, at), count in sorted(faults.items()):
        verdict.faults.append(f"{count} moments due at {due} were published at {at}, {at - due} s later, for no reason")


def _united(windows: Sequence[Window]) -> Iterator[tuple[float, float]]:
    ordered = sorted(windows)
    begin, end = float("-inf"), float("-inf")
    for window in ordered:
        if window.begin > end:
            yield begin, end
            begin, end = window.begin, window.end
        end = max(end, window.end)
    yield begin, end


def _judge_messages(verdict: Verdict, claimed: Counter[str], published: Counter[str]) -> None:
    verdict.doubled = sum(count > 1 for count in published.values())
    verdict.faults += [f"{run_id} was claimed {count} times" for run_id, count in claimed.items() if count > 1]
    verdict.faults += [f"{run_id} was claimed and not published" for run_id in claimed.keys() - published.keys()]
    verdict.faults += [f"{run_id} was published and not claimed" for run_id in published.keys() - claimed.keys()]


def _judge_executions(verdict: Verdict, published: Counter[str], executions: dict[str, list[Execution]]) -> None:
    verdict.executions = sum(map(len, executions.values()))
    for run_id in published:
        ended = sum(each.ended_at is not None for each in executions.get(run_id, ()))
        verdict.ended_twice += ended > 1
        if not ended:
            verdict.faults.append(f"{run_id} was published and never ended")
    verdict.faults += [f"{run_id} ran and was not published" for run_id in executions.keys() - published.keys()]
