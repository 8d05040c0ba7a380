"""Tasks that every app has."""

from typing import TYPE_CHECKING, Any

from celeriac.app.shared import connect_on_app_finalize

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
def add_accumulate(app: "Celeriac") -> Any:
    """Add ``celery.accumulate``, which returns its arguments, or the one at ``index``."""

    def accumulate(*args: Any, **kwargs: Any) -> Any:
        index = kwargs.get("index")
        return args if index is None else args[index]

    return app.task_from_function(accumulate, name="celery.accumulate")
