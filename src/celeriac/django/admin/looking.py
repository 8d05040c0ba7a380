"""Reading the timetable for the pages of the admin: once for a page, and never in the way of one."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, NamedTuple, TypeVar

from celeriac.beat.periodic_tasks import PeriodicTask, PeriodicTasks
from celeriac.exceptions import CeleriacError, ImproperlyConfigured
from celeriac.local import get_current_app

if TYPE_CHECKING:
    from celeriac.django.models import ScheduledTask

__all__ = ["Look", "look_at_rows", "opened", "states_of_runs", "tried"]

V = TypeVar("V")


class Look(NamedTuple):
    """What the timetable says of a row."""

    #: None: it has no such entry, or is away.
    task: PeriodicTask | None = None
    #: The state of the last run's result; empty: nobody knows.
    run_state: str = ""


@contextmanager
def opened() -> Iterator[PeriodicTasks]:
    """Yield the site's periodic tasks; raises ``ImproperlyConfigured`` if its modules cannot be imported."""
    try:
        tasks = PeriodicTasks(get_current_app())
    except CeleriacError:
        raise
    except Exception as error:  # whatever a module of the site's raises when it is imported
        raise ImproperlyConfigured(f"A module of tasks cannot be imported. {type(error).__name__}: {error}") from error
    with tasks:
        yield tasks


def tried(ask: Callable[[], V]) -> tuple[V | None, str]:
    """Return the answer, or None and why there is none."""
    try:
        return ask(), ""
    except (CeleriacError, OSError, TypeError, ValueError) as error:
        return None, str(error)


def look_at_rows(rows: Iterable["ScheduledTask"]) -> str:
    """Note at each row, as ``look``, what the timetable says of it; return why it says nothing, if so."""
    by_name = {row.name: row for row in rows}
    for row in by_name.values():
        row.look = Look()
    found, problem = tried(lambda: _read(list(by_name)))
    for name, look in (found or {}).items():
        by_name[name].look = look
    return problem


def states_of_runs(ids: Sequence[str]) -> dict[str, str]:
    """Return the states of results, in one round trip; raises ``OperationalError`` if their store is away."""
    backend = get_current_app().backend
    return dict(backend.states(ids)) if ids and backend.stores_results else {}


def _read(names: list[str]) -> dict[str, Look]:
    with opened() as tasks:
        found = tasks.several(names)
    ids = [task.state.last_run_id for task in found.values() if task.state.last_run_id is not None]
    states, _ = tried(lambda: states_of_runs(ids))
    return {name: Look(task, (states or {}).get(task.state.last_run_id or "", "")) for name, task in found.items()}
