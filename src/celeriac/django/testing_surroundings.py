"""What a test of a site has around it: the connections, transactions and language of whoever runs the test."""

from collections.abc import Callable, Coroutine, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any, TypeVar

from asgiref.sync import async_to_sync, sync_to_async
from django.conf import settings
from django.utils import timezone, translation

from celeriac.django import connections, transactions
from celeriac.django.commit_hooks import run_commit_hooks
from celeriac.testing import recording
from celeriac.testing.surroundings import Surroundings

__all__ = ["DjangoSurroundings", "begin_background"]

Value = TypeVar("Value")


class DjangoSurroundings(Surroundings):
    """Tasks use the test's database connections, and so see what its transaction has written."""

    cure = "call run_enqueued() of CeleriacTestMixin, or celeriac_tasks.run() in pytest, first."

    def during_test(self, on_commit: str) -> AbstractContextManager[object]:
        return run_commit_hooks(on_commit)

    @contextmanager
    def during_run(self) -> Iterator[None]:
        """A task begins in the site's language and time zone; the test's own are back afterwards."""
        with (
            connections.left_to_caller(),
            translation.override(settings.LANGUAGE_CODE),
            timezone.override(None),
        ):
            yield

    def run_coroutine(self, begin: Callable[[], Coroutine[Any, Any, Value]]) -> Value:
        result: Value = async_to_sync(begin)()
        return result

    async def run_blocking(self, action: Callable[[], Value]) -> Value:
        result: Value = await sync_to_async(action)()
        return result

    def hint(self) -> str:
        number = transactions.number_held()
        if not number:
            return ""
        return f"{number} more {'waits' if number == 1 else 'wait'} for the commit of a transaction that is open here."


def begin_background() -> None:
    """Let nothing that is published from now on reach a broker, unless the environment says so."""
    recording.begin_background(DjangoSurroundings())
