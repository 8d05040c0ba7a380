"""What a test of a framework's code has around it; without a framework nothing."""

import asyncio
from collections.abc import Callable, Coroutine
from contextlib import AbstractContextManager, nullcontext
from typing import Any, TypeVar

__all__ = ["Surroundings"]

Value = TypeVar("Value")


class Surroundings:
    """How tasks are run in a test, and what is different while one runs. An integration has a subclass."""

    #: Completes "The task has not been run": how its tests run tasks.
    cure = "call run() of what recorded it first."

    def during_test(self, on_commit: str) -> AbstractContextManager[object]:
        """Return what is entered for a test; ``on_commit``: whose commit hooks run, ``"tasks"`` or ``"all"``."""
        return nullcontext()

    def during_run(self) -> AbstractContextManager[object]:
        """Return what is entered while tasks are run."""
        return nullcontext()

    def run_coroutine(self, begin: Callable[[], Coroutine[Any, Any, Value]]) -> Value:
        """Run an ``async def`` task to its end."""
        return asyncio.run(begin())

    async def run_blocking(self, action: Callable[[], Value]) -> Value:
        """Do what blocks, for the test that is a coroutine."""
        return await asyncio.to_thread(action)

    def hint(self) -> str:
        """Return a sentence on why something may not have been published; the empty text for none."""
        return ""
