"""Housekeeping: schedule entries for what every app has to tidy up, if it says ``beat_housekeeping = True``."""

import difflib
from collections.abc import Callable, Iterator, Mapping
from datetime import timedelta
from typing import TYPE_CHECKING, Any, NamedTuple

from celeriac.brokers.base import Broker
from celeriac.exceptions import ImproperlyConfigured
from celeriac.schedules import crontab

if TYPE_CHECKING:
    from celeriac.app.base import Celeriac

__all__ = ["CHORES", "PRUNE", "Chore", "housekeeping_entries", "purge_old_dead_letters"]

#: The ready task that drops expired results and old dead letters.
PRUNE = "celeriac.prune"

#: What the setting may say beside the chores of integrations.
_RESULTS, _DEAD_LETTERS = "results", "dead_letters"
#: How long dead letters are kept unless the setting says so.
_KEPT = timedelta(days=30)
#: As in Celery, whose results are tidied up at that time.
_HOUR = 4
#: Dead letters that are read in one go.
_PAGE = 1000


class Chore(NamedTuple):
    """Something that an integration with a framework has to tidy up, once a day."""

    #: The name of the ready task that does it, and of its entry.
    task: str
    #: So many minutes after four o'clock.
    minute: int
    #: Says whether there is anything to do in this project.
    applies: Callable[[], bool]


#: The chores of integrations, by the key under which ``beat_housekeeping`` can switch them off.
CHORES: dict[str, Chore] = {}


def housekeeping_entries(app: "Celeriac") -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield names and entries as in ``beat_schedule``; nothing, unless the setting ``beat_housekeeping`` asks for it.

    Raises ``ImproperlyConfigured`` for what the setting cannot say.
    """
    said = app.conf.beat_housekeeping
    if said is False:
        return
    wishes: Mapping[str, Any] = {} if said is True else said
    _check(wishes, (_RESULTS, _DEAD_LETTERS, *CHORES))
    results, lifetime = _flag(wishes, _RESULTS), _lifetime(wishes)
    if results or lifetime is not None:
        yield PRUNE, {**_daily(PRUNE, 0), "kwargs": {"results": results, "dead_letters": lifetime}}
    for key, chore in CHORES.items():
        # Before the modules of tasks are imported an app has none of them.
        if _flag(wishes, key) and chore.task in app.tasks and chore.applies():
            yield chore.task, _daily(chore.task, chore.minute)


def purge_old_dead_letters(broker: Broker, died_before: float) -> int:
    """Drop the dead letters that died before a moment (unix time), and return how many.

    One whose task has died once more since then stays as long as the later one: they are dropped by the task's id.
    """
    young: set[str] = set()
    old: dict[str, None] = {}
    offset = 0
    while page := broker.dead_letters(_PAGE, offset):
        for letter in page:
            if letter.died_at < died_before:
                old[letter.id] = None
            else:
                young.add(letter.id)
        offset += len(page)
    chosen = [task_id for task_id in old if task_id not in young]
    pieces = [chosen[begin : begin + _PAGE] for begin in range(0, len(chosen), _PAGE)]
    return sum(broker.purge_dead_letters(piece) for piece in pieces)


def _daily(task: str, minute: int) -> dict[str, Any]:
    return {"task": task, "schedule": crontab(minute=minute, hour=_HOUR)}


def _check(wishes: Mapping[str, Any], known: tuple[str, ...]) -> None:
    for key in wishes:
        if key not in known:
            close = difflib.get_close_matches(str(key), known, n=1)
            hint = f"did you mean {close[0]!r}?" if close else f"there are {', '.join(known)}."
            raise ImproperlyConfigured(f"beat_housekeeping says {key!r}; {hint}")


def _flag(wishes: Mapping[str, Any], key: str) -> bool:
    wish = wishes.get(key, True)
    if not isinstance(wish, bool):
        raise ImproperlyConfigured(f"beat_housekeeping[{key!r}] must be true or false, not {wish!r}.")
    return wish


def _lifetime(wishes: Mapping[str, Any]) -> float | None:
    """Return how many seconds dead letters are kept; None: until somebody drops them."""
    wish = wishes.get(_DEAD_LETTERS, True)
    if wish is True:
        return _KEPT.total_seconds()
    if wish is False or wish is None:
        return None
    seconds = wish.total_seconds() if isinstance(wish, timedelta) else wish
    if not isinstance(seconds, (int, float)) or not seconds > 0:
        raise ImproperlyConfigured(
            f"beat_housekeeping[{_DEAD_LETTERS!r}] must be how long they are kept, as a timedelta or in seconds, or "
            f"None, not {wish!r}."
        )
    return float(seconds)
