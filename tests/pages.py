"""Markdown pages as tests read them: their blocks of code, and what a page asks for in order to run them.

Blocks of ``python`` are executed, and those of ``pycon`` compared with what Python answers, all of one page in order
and in one namespace. Comments in a page steer that, on the line before a block:

* ``<!-- file: tasks.py -->``: the block is a file beside the script.
* ``<!-- not run: why -->``: the block is only shown.

and anywhere in a page:

* ``<!-- worker: tasks -->``: while the page runs, so does a worker with that app.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[1]

_FENCE = re.compile(
    r"(?:^<!-- (?P<order>file|not run): (?P<argument>.+?) -->\n+)?"
    r"^(?P<indent> *)(?P<ticks>```+)(?P<language>\w+)\n(?P<code>.*?)^(?P=indent)(?P=ticks)$",
    re.MULTILINE | re.DOTALL,
)
_WORKER = re.compile(r"^<!-- worker: (?P<app>\S+) -->$", re.MULTILINE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """One block of code."""

    language: str
    code: str
    line: int
    file: str = ""
    shown_only: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """One page."""

    path: Path
    text: str
    blocks: tuple[Block, ...]
    #: The app whose worker the examples need; empty: none.
    worker: str

    @property
    def name(self) -> str:
        """The path below the root of the project."""
        return str(self.path.relative_to(ROOT))

    @property
    def files(self) -> dict[str, str]:
        """The files that the page shows, by name; of several versions of one the last."""
        return {block.file: block.code for block in self.blocks if block.file}

    @property
    def to_run(self) -> list[Block]:
        """The blocks to execute."""
        return [
            block
            for block in self.blocks
            if block.language in {"python", "pycon"} and not block.file and not block.shown_only
        ]


def all_pages() -> list[Page]:
    """Return the README and all pages of the documentation."""
    return [read_page(path) for path in (ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md")))]


def read_page(path: Path) -> Page:
    """Read a page."""
    text = path.read_text(encoding="utf-8")
    worker = _WORKER.search(text)
    return Page(path=path, text=text, blocks=tuple(_blocks(text)), worker=worker["app"] if worker else "")


def _blocks(text: str) -> Iterator[Block]:
    for found in _FENCE.finditer(text):
        indent = len(found["indent"])
        yield Block(
            language=found["language"],
            code="".join(line[indent:] or "\n" for line in found["code"].splitlines(keepends=True)),
            line=text[: found.start("code")].count("\n") + 1,
            file=found["argument"] if found["order"] == "file" else "",
            shown_only=found["order"] == "not run",
        )
