"""The code of a task, as it stands in its file."""

import inspect
import io
import keyword
import tokenize
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple, Self

from django.conf import settings
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from celeriac import current_app

#: How kinds of Python's words are marked.
_MARKS = {tokenize.STRING: "string", tokenize.COMMENT: "comment", tokenize.NUMBER: "number"}


class TaskSource(NamedTuple):
    """The function behind a task, with its decorator."""

    text: str
    file: str
    line: int

    @classmethod
    def find(cls, task_name: str) -> Self | None:
        """Return it; None if this site has no such task."""
        task = current_app.tasks.get(task_name)
        if task is None:
            return None
        function = inspect.unwrap(task.run)
        lines, line = inspect.getsourcelines(function)
        path = Path(inspect.getsourcefile(function) or "")
        if path.is_relative_to(settings.BASE_DIR):
            path = path.relative_to(settings.BASE_DIR)
        return cls("".join(lines), str(path), line)

    @property
    def html(self) -> SafeString:
        """The text with keywords, strings, numbers and comments marked."""
        return format_html_join("", "{}", ((piece,) for piece in _pieces(self.text)))


def _pieces(text: str) -> Iterator[SafeString | str]:
    """Yield the text piece by piece, what is marked as an element and the rest as it is."""
    starts = [0]
    for line in text.splitlines(keepends=True):
        starts.append(starts[-1] + len(line))
    done = 0
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        mark = "keyword" if token.type == tokenize.NAME and keyword.iskeyword(token.string) else _MARKS.get(token.type)
        if mark is None:
            continue
        begin = starts[token.start[0] - 1] + token.start[1]
        end = starts[token.end[0] - 1] + token.end[1]
        yield text[done:begin]
        yield format_html('<span class="{}">{}</span>', mark, text[begin:end])
        done = end
    yield text[done:]
