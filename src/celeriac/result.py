"""Results, under Celery's module path: what became of a task call."""

from celeriac.async_result import AsyncResult, assert_will_not_block, result_from_tuple
from celeriac.eager_result import EagerResult
from celeriac.local import allow_join_result, denied_join_result
from celeriac.result_set import ResultSet

__all__ = [
    "AsyncResult",
    "EagerResult",
    "ResultSet",
    "allow_join_result",
    "assert_will_not_block",
    "denied_join_result",
    "result_from_tuple",
]
