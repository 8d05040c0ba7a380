"""A flame graph: where the samples of a process lie, as SVG made by hand.

The input is *collapsed stacks*, one a line: the frames from the outermost to the innermost, separated by semicolons, a
space, and how often that stack was seen.
"""

import re
from collections import defaultdict
from collections.abc import Iterable
from xml.sax.saxutils import escape

__all__ = ["FlameNode", "collapse", "flame_graph"]

_WIDTH, _ROW, _TOP, _MARGIN = 1200, 16, 44, 10
#: Frames that are narrower than this share of all samples are left out.
_LEAST = 0.0025
#: Characters fit into a pixel, about.
_CHARACTERS = 1 / 6.3
_INK = "#1f2933"
#: By what the beginning of a frame's file says: celeriac's own code, other Python code, what is compiled.
_COLOURS = {"own": "#f6ad55", "python": "#fbd38d", "native": "#cbd5e0", "thread": "#e2e8f0"}
#: A thread's number differs in each run; folders outside of packages are nobody's business.
_THREAD_NUMBER = re.compile(r"^thread \(\S+?\)(: (?P<name>.*))?$")
_FOLDERS = re.compile(r"\((?:/[^():]*/)(?P<rest>[^/():]+(?::\d+)?)\)")
_LINE = re.compile(r":\d+\)$")
#: Code whose name nobody knows, under an address that differs in each run.
_NAMELESS = re.compile(r"^0x[0-9a-f]+ ")
#: A thread whose innermost function is one of these waits and costs nothing, or nearly so: ``recv`` copies, too.
_WAITS = re.compile(r"^(poll|epoll_wait|recv|clock_nanosleep|pthread_cond_(timed)?wait|PyThread_acquire_lock_timed) \(")


class FlameNode:
    """A frame, with the samples in it and in what it called."""

    def __init__(self) -> None:
        self.samples = 0
        self.callees: dict[str, FlameNode] = defaultdict(FlameNode)


def collapse(stacks: Iterable[str]) -> FlameNode:
    """Return the tree of some collapsed stacks without those that wait; lines of the same function are one frame."""
    root = FlameNode()
    for line in stacks:
        stack, _, count = line.rstrip().rpartition(" ")
        frames = [frame for frame in stack.split(";") if frame and not _NAMELESS.match(frame)]
        if not frames or _WAITS.match(frames[-1]):
            continue
        node = root
        node.samples += int(count)
        for frame in frames:
            node = node.callees[_name(frame)]
            node.samples += int(count)
    return root


def flame_graph(title: str, root: FlameNode) -> str:
    """Return the graph, callers above their callees; pointing at a frame shows its share."""
    parts: list[str] = []
    depth = _draw(root, 0.0, 0, max(root.samples, 1), parts)
    height = _TOP + depth * _ROW + _MARGIN
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {height}" width="{_WIDTH}" '
        f'font-family="sans-serif" font-size="10" fill="{_INK}">'
    )
    ground = f'<rect width="{_WIDTH}" height="{height}" fill="#ffffff"/>'
    heading = f'<text x="{_MARGIN}" y="26" font-size="14">{escape(title)}</text>'
    return "\n".join([head, ground, heading, *parts, "</svg>"]) + "\n"


def _draw(node: FlameNode, start: float, level: int, total: int, parts: list[str]) -> int:
    """Add the callees of a node that begins at a share of the width; return how many levels there are."""
    depth = level
    for name, callee in sorted(node.callees.items()):
        share = callee.samples / total
        if share >= _LEAST:
            x, y = _MARGIN + start * (_WIDTH - 2 * _MARGIN), _TOP + level * _ROW
            width = share * (_WIDTH - 2 * _MARGIN)
            room = int((width - 4) * _CHARACTERS)
            shown = name if len(name) <= room else name[: room - 1] + "…"
            text = f'<text x="{x + 2:.1f}" y="{y + 11}">{escape(shown)}</text>' if room > 2 else ""
            parts.append(
                f"<g><title>{escape(name)}: {share:.1%}</title>"
                f'<rect x="{x:.1f}" y="{y}" width="{max(width - 0.5, 0.5):.1f}" height="{_ROW - 1}" '
                f'fill="{_COLOURS[_kind(name)]}"/>{text}</g>'
            )
            depth = max(depth, _draw(callee, start, level + 1, total, parts))
        start += share
    return max(depth, level)


def _name(frame: str) -> str:
    if thread := _THREAD_NUMBER.match(frame):
        return f"thread {thread['name'] or ''}".strip()
    return _LINE.sub(")", _FOLDERS.sub(r"(\g<rest>)", frame))


def _kind(name: str) -> str:
    if name.startswith("thread"):
        return "thread"
    if "(celeriac/" in name:
        return "own"
    return "python" if name.endswith(".py)") or name.startswith("<frozen") else "native"
