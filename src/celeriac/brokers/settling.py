"""The order of a settlement where messages and results lie apart."""

from collections.abc import Callable, Sequence

from celeriac.backends.base import ResultBackend
from celeriac.brokers.base import Outcome, Settlement
from celeriac.protocol.message import Message

__all__ = ["ended_runs", "settle_in_order"]

#: Those after which the message does not come again.
_FOR_GOOD = frozenset({Outcome.ACK, Outcome.REJECT})


def settle_in_order(
    settlements: Sequence[Settlement],
    results: ResultBackend | None,
    *,
    still_ours: Callable[[Sequence[Settlement]], list[Settlement]],
    publish: Callable[[Sequence[Message]], None],
    end: Callable[[Sequence[Settlement]], list[Settlement]],
    confirmed: set[int | str],
) -> list[Settlement]:
    """Settle where results are not kept beside the messages; return those that were refused.

    For engines: ``still_ours`` picks the settlements whose deliveries nobody else has taken (all, if that is not
    known), ``publish`` publishes, ``end`` removes, requeues, rejects or replaces and returns what it refused. The order
    is the promise: whatever fails in between, a second call repeats and nothing is lost. ``confirmed`` is the
    consumer's, kept between calls: the tags of deliveries whose follow-ups are in, which no second call publishes
    again however long the results are away.
    """
    ours = still_ours(settlements)
    following = [each for each in ours if each.follow_ups and each.delivery.tag not in confirmed]
    if following:
        publish([message for settlement in following for message in settlement.follow_ups])
        confirmed.update(settlement.delivery.tag for settlement in following)
    stored = [settlement.result for settlement in ours if settlement.result is not None]
    if stored and results is not None:
        results.store(stored)
    runs = ended_runs(ours)
    if runs and results is not None:
        results.end_runs(runs)
    refused = end(ours)
    confirmed.difference_update(settlement.delivery.tag for settlement in ours)
    if len(ours) == len(settlements):
        return refused
    accepted = {id(settlement) for settlement in ours} - {id(settlement) for settlement in refused}
    return [settlement for settlement in settlements if id(settlement) not in accepted]


def ended_runs(settlements: Sequence[Settlement]) -> list[str]:
    """Return the runs, of those that are held, that these settlements end."""
    return [each.run for each in settlements if each.run is not None and each.outcome in _FOR_GOOD]
