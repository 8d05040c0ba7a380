"""Renewal: what a node does when the code of its app, or what the app says of itself, has changed."""

import logging

from celeriac.worker.frames import Facts

__all__ = ["Renewal"]

logger = logging.getLogger("celeriac.worker.renewal")

#: What stands beside the settings in ``Facts``, and what to call it.
_OTHERS = (
    ("queues", "the queues"),
    ("broker_url", "broker_url"),
    ("result_backend_url", "result_backend"),
    ("time_zone", "the time zone"),
)


class Renewal:
    """Says what new facts mean for a node that was made from ``facts``.

    New code is for new children, once the app process has imported it without an error; new settings are for a new
    node.
    """

    def __init__(self, facts: Facts, *, may_start_anew: bool) -> None:
        self._facts = facts
        self._may_start_anew = may_start_anew
        self._begun = False
        #: The node ends for another one to take over.
        self.starts_anew = False

    def begin(self) -> None:
        """Code has changed; the next facts come from it."""
        self._begun = True

    def note(self, facts: Facts) -> str:
        """Take new facts; return why the node has to end for another one, if so."""
        changed = ", ".join(_changed(self._facts, facts))
        if not changed:
            return ""
        if not self._may_start_anew:
            logger.warning("Changed, and used once the worker is restarted: %s.", changed)
            return ""
        self.starts_anew = True
        return f"Changed: {changed}. Starting anew"

    def end(self) -> bool:
        """Return whether it had begun: the children have old code."""
        begun, self._begun = self._begun, False
        return begun


def _changed(before: Facts, now: Facts) -> list[str]:
    """Return the names of what differs, each once, in alphabetical order; tasks are no part of it."""
    names = {name for name in before.settings.keys() | now.settings.keys() if _setting(before, now, name)}
    names |= {title for name, title in _OTHERS if getattr(before, name) != getattr(now, name)}
    if _runs_async(before) != _runs_async(now):
        names.add("async def tasks, of which there are some or none now")
    return sorted(names)


def _setting(before: Facts, now: Facts, name: str) -> bool:
    return before.settings.get(name) != now.settings.get(name)


def _runs_async(facts: Facts) -> bool:
    return any(task.is_async for task in facts.tasks.values())
