"""What handlers and signal receivers are told of an error: the exception with its traceback, also as text."""

import traceback
from pathlib import Path
from types import TracebackType

__all__ = ["ExceptionInfo", "format_traceback", "let_go_of_frames", "own_part"]

_PACKAGE = str(Path(__file__).parent)


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
    """Return the traceback's text; never raises."""
    try:
        return "".join(traceback.format_exception(exception))
    except Exception as error:  # noqa: BLE001 - a task's exception may fail to tell of itself
        return f"{type(exception).__name__} (whose traceback could not be written: {type(error).__name__})\n"


def own_part(traceback: TracebackType | None) -> TracebackType | None:
    """Return the traceback from the first frame that is not celeriac's; all of it when every frame is."""
    own = traceback
    while own is not None and own.tb_frame.f_code.co_filename.startswith(_PACKAGE):
        own = own.tb_next
    return own or traceback


def let_go_of_frames(error: BaseException) -> None:
    """Drop the tracebacks, whose frames hold all that the task had in hand; their text has been made."""
    chain: BaseException | None = error
    seen: set[int] = set()
    while chain is not None and id(chain) not in seen:
        seen.add(id(chain))
        chain.__traceback__ = None
        chain = chain.__cause__ or chain.__context__
