"""What tests are told that do what a test cannot."""

from celeriac.exceptions import OperationalError, TimeoutError

__all__ = ["RealEngineError", "TaskNotRunError"]


class RealEngineError(AssertionError):
    """A test was about to open a real broker or result backend."""


class TaskNotRunError(TimeoutError, OperationalError):
    """A test waits for the result of a task that nobody runs: the timeout, if there is one, has passed at once."""
