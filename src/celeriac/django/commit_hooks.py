"""Commit hooks inside ``TestCase``, whose transaction is never committed.

A test's own blocks of ``atomic`` surround what would be a transaction in production: the outermost block of the code
under test. When such a block ends well, what it registered with ``on_commit`` is run there, as it would be after the
commit; when it is rolled back, it is dropped. What has been run stays in Django's list as something that does nothing,
so that ``captureOnCommitCallbacks`` counts it and runs nothing a second time.

Two methods of ``Atomic`` are wrapped for that while a test runs: there is no other moment at which a block's end can be
seen. ``TransactionTestCase`` commits for real, and nothing changes there.
"""

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import Any
from weakref import WeakKeyDictionary

from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.transaction import Atomic, get_connection

from celeriac.django.transactions import is_publish_hook

__all__ = ["WHICH", "run_commit_hooks"]

logger = logging.getLogger(__name__)

#: Whose hooks are run: celeriac's, which publish, or everybody's.
WHICH = ("tasks", "all")

_enter, _exit, _on_commit = Atomic.__enter__, Atomic.__exit__, BaseDatabaseWrapper.on_commit

#: Of each test that runs (they may be nested): whose hooks.
_wanted: list[str] = []
#: How many hooks a connection had when the block that stands for a transaction began.
_before: "WeakKeyDictionary[BaseDatabaseWrapper, int]" = WeakKeyDictionary()


@contextmanager
def run_commit_hooks(which: str) -> Iterator[None]:
    """Run commit hooks inside ``TestCase`` as long as the ``with`` block lasts; raises ``ValueError``."""
    if which not in WHICH:
        raise ValueError(f"Commit hooks that run in tests are those of 'tasks' or 'all', not of {which!r}.")
    _wanted.append(which)
    Atomic.__enter__, Atomic.__exit__ = _entering, _exiting
    BaseDatabaseWrapper.on_commit = _registering
    try:
        yield
    finally:
        _wanted.pop()
        if not _wanted:
            Atomic.__enter__, Atomic.__exit__ = _enter, _exit
            BaseDatabaseWrapper.on_commit = _on_commit


class _Done:
    """Stands in Django's list for a hook that has been run."""

    def __init__(self, hook: Callable[[], object]) -> None:
        self.__wrapped__ = hook
        self.__qualname__ = getattr(hook, "__qualname__", repr(hook))

    def __call__(self) -> None:
        pass


def _entering(block: Any) -> None:
    _enter(block)
    connection = get_connection(block.using)
    if _stands_for_transaction(connection):
        _before[connection] = len(connection.run_on_commit)


def _exiting(
    block: Any,
    kind: type[BaseException] | None,
    error: BaseException | None,
    traceback: TracebackType | None,
) -> None:
    connection = get_connection(block.using)
    if not _stands_for_transaction(connection):
        _exit(block, kind, error, traceback)
        return
    start = _before.pop(connection, len(connection.run_on_commit))
    is_committed = kind is None and not connection.needs_rollback and not connection.closed_in_transaction
    try:
        _exit(block, kind, error, traceback)
    except BaseException:
        del connection.run_on_commit[start:]
        raise
    if is_committed:
        _run_hooks(connection, start)
    else:
        del connection.run_on_commit[start:]


def _registering(connection: Any, hook: Any, robust: bool = False) -> None:
    """Outside of any transaction Django runs a hook at once; here only the test's own block is open."""
    if _wanted[-1] == "all" and connection.in_atomic_block and _is_in_test_only(connection.atomic_blocks):
        _on_commit(connection, _Done(hook), robust)
        _call(hook, robust=robust)
    else:
        _on_commit(connection, hook, robust)


def _run_hooks(connection: BaseDatabaseWrapper, start: int) -> None:
    """Run the hooks from this one on, in order. As after a commit, an error is raised and the rest is not run."""
    to_run = []
    for position, (savepoints, hook, robust) in enumerate(connection.run_on_commit[start:], start):
        if not isinstance(hook, _Done) and (_wanted[-1] == "all" or is_publish_hook(hook)):
            to_run.append((hook, robust))
            connection.run_on_commit[position] = savepoints, _Done(hook), robust
    for hook, robust in to_run:
        _call(hook, robust=robust)


def _call(hook: Callable[[], object], *, robust: bool) -> None:
    try:
        hook()
    except Exception:
        if not robust:
            raise
        logger.exception("The commit hook %s failed.", getattr(hook, "__qualname__", hook))


def _stands_for_transaction(connection: BaseDatabaseWrapper) -> bool:
    """Say whether the innermost block is the first inside those that ``TestCase`` has opened."""
    blocks = connection.atomic_blocks
    return len(blocks) > 1 and not blocks[-1]._from_testcase and _is_in_test_only(blocks[:-1])  # noqa: SLF001 - Django's own mark, as in transactions.py


def _is_in_test_only(blocks: list[Any]) -> bool:
    return bool(blocks) and all(block._from_testcase for block in blocks)  # noqa: SLF001 - as above
