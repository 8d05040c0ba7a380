"""Publishing on commit: what a person's code publishes inside ``atomic`` goes out when the transaction is committed.

A task that ran earlier could not see the rows it is about; one whose transaction is rolled back must not run at all.
Follow-ups of a task (retries, links, errbacks) never come here: they belong to its settlement.

Between the commit and the publish, a moment, a killed process loses the messages; a broker that does not take them then
leaves each of them in the log, whole (``publication.publish_all``).
"""

import difflib

from django.db import connections, transaction
from django.db.backends.base.base import BaseDatabaseWrapper

from celeriac.publication import Publication, publish_all

__all__ = ["CommitGate", "is_in_transaction", "is_publish_hook", "number_held"]


class CommitGate:
    """A ``publication.PublishGate``: waits for the transaction that is open in the thread that publishes.

    Looking for one opens no connection, and is allowed in coroutines, whose threads have no open transaction.
    """

    def awaited(self, using: str | None) -> str | None:
        """Return the alias of the database whose commit is to be waited for."""
        if using is not None:
            return using if is_in_transaction(_connection(using)) else None
        waiting = [each.alias for each in connections.all(initialized_only=True) if is_in_transaction(each)]
        if len(waiting) > 1:
            raise ValueError(
                f"Transactions are open on several databases ({', '.join(waiting)}): say which commit the task is to "
                f"wait for, as in apply_async(…, using={waiting[0]!r}), or on_commit=False for none."
            )
        return waiting[0] if waiting else None

    def hold(self, publication: Publication, awaited: str) -> None:
        """Have it published on commit, in one step with those just before it that the same rollback would take."""
        hook = _last_hook(connections[awaited])
        if hook is None:
            transaction.on_commit(_PublishHook(publication), using=awaited)
        else:
            hook.publications.append(publication)


def is_in_transaction(connection: BaseDatabaseWrapper) -> bool:
    """Say whether an ``atomic`` block is open here. Those that ``TestCase`` puts around a test do not count."""
    return connection.in_atomic_block and any(not block._from_testcase for block in connection.atomic_blocks)  # noqa: SLF001 - the mark Django's own durable blocks go by


def is_publish_hook(hook: object) -> bool:
    """Say whether this commit hook publishes held messages."""
    return isinstance(hook, _PublishHook)


def number_held() -> int:
    """Return how many messages wait here for a commit."""
    hooks = [hook for each in connections.all(initialized_only=True) for _, hook, _ in each.run_on_commit]
    return sum(
        len(publication.messages)
        for hook in hooks
        if isinstance(hook, _PublishHook)
        for publication in hook.publications
        if not publication.is_sent
    )


class _PublishHook:
    """What Django calls after the commit."""

    def __init__(self, publication: Publication) -> None:
        self.publications = [publication]

    def __call__(self) -> None:
        publish_all(self.publications)


def _last_hook(connection: BaseDatabaseWrapper) -> _PublishHook | None:
    """Return the hook registered last, if it is ours, of the same savepoints, and not one that a test looks for."""
    if not connection.run_on_commit or connection.atomic_blocks[0]._from_testcase:  # noqa: SLF001 - as above
        return None
    savepoints, hook, _ = connection.run_on_commit[-1]
    return hook if isinstance(hook, _PublishHook) and savepoints == set(connection.savepoint_ids) else None


def _connection(alias: str) -> BaseDatabaseWrapper:
    if alias not in connections.settings:
        near = difflib.get_close_matches(alias, connections.settings, n=1)
        raise ValueError(
            f"There is no database {alias!r} for using=; "
            + (f"did you mean {near[0]!r}?" if near else f"there is {', '.join(map(repr, connections.settings))}.")
        )
    return connections[alias]
