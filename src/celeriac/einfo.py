"""What handlers and signal receivers are told of an error: the exception with its traceback, also as text."""

import traceback
from types import TracebackType

__all__ = ["ExceptionInfo", "format_traceback"]


class ExceptionInfo:
    """An exception and its traceback; ``str()`` of it is the traceback's text, made when first asked for."""

    #: True when the error came from celeriac itself, not from the task.
    internal: bool = False

    def __init__(self, exception: BaseException) -> None:
        self.exception = exception
        self.type = type(exception)
        self.tb: TracebackType | None = exception.__traceback__
        self._text: str | None = None

    @property
    def traceback(self) -> str:
        """The traceback's text."""
        if self._text is None:
            self._text = format_traceback(self.exception)
        return self._text

    @property
    def exc_info(self) -> tuple[type[BaseException], BaseException, TracebackType | None]:
        """The triple that ``logging`` takes."""
        return self.type, self.exception, self.tb

    def __str__(self) -> str:
        return self.traceback

    def __repr__(self) -> str:
        return f"<ExceptionInfo: {self.exception!r}>"


def format_traceback(exception: BaseException) -> str:
    """Return the traceback's text, without the frames of celeriac that lie before the task's own."""
    try:
        return "".join(traceback.format_exception(exception))
    except Exception as error:  # noqa: BLE001 - a task's exception may fail to tell of itself
        return f"{type(exception).__name__} (whose traceback could not be written: {type(error).__name__})\n"
