"""Tasks that every app has."""

from typing import TYPE_CHECKING, Any

from celeriac.app.housekeeping import PRUNE, purge_old_dead_letters
from celeriac.app.shared import connect_on_app_finalize
from celeriac.clock import now

if TYPE_CHECKING:
    from celeriac.app.base import Celeriac

__all__: list[str] = []


@connect_on_app_finalize
def add_backend_cleanup(app: "Celeriac") -> Any:
    """Add ``celery.backend_cleanup``, which drops expired results."""

    def backend_cleanup() -> int:
        return app.backend.prune()

    return app.task_from_function(backend_cleanup, name="celery.backend_cleanup", ignore_result=True)


@connect_on_app_finalize
def add_prune(app: "Celeriac") -> Any:
    """Add ``celeriac.prune``: housekeeping. It returns how many of each it has dropped."""

    def prune(results: bool = True, dead_letters: float | None = None) -> dict[str, int]:
        """Drop expired results, and dead letters that died more than so many seconds ago."""
        return {
            "results": app.backend.prune() if results else 0,
            "dead_letters": 0 if dead_letters is None else purge_old_dead_letters(app.broker, now() - dead_letters),
        }

    return app.task_from_function(prune, name=PRUNE)


@connect_on_app_finalize
def add_accumulate(app: "Celeriac") -> Any:
    """Add ``celery.accumulate``, which returns its arguments, or the one at ``index``."""

    def accumulate(*args: Any, **kwargs: Any) -> Any:
        index = kwargs.get("index")
        return args if index is None else args[index]

    return app.task_from_function(accumulate, name="celery.accumulate")
