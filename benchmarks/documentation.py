"""``python -m benchmarks.documentation``: puts the reports of the last complete runs into the documentation.

Each report becomes a page of ``docs/benchmarks``, and its short table goes where ``docs/performance.md`` has a comment
that names the engine.
"""

import re
import sys
from pathlib import Path

__all__ = ["main"]

_ROOT = Path(__file__).parents[1]
_DOCS = _ROOT / "docs"
_PAGE = _DOCS / "performance.md"


def main() -> None:
    """Take the reports below the folder that is named, or below ``benchmarks/results``."""
    results = Path(sys.argv[1]) if len(sys.argv) > 1 else _ROOT / "benchmarks" / "results"
    page = _PAGE.read_text()
    for file in sorted(results.glob("*/report.md")):
        engine, report = file.parent.name, file.read_text()
        target = _DOCS / "benchmarks" / f"{engine}.md"
        target.parent.mkdir(exist_ok=True)
        target.write_text(report)
        place = re.compile(f"(<!-- {engine} -->\n).*?(<!-- end of {engine} -->\n)", re.DOTALL)
        short = re.search(r"^## In short\n(.*?)^## ", report, re.DOTALL | re.MULTILINE)
        found = place.search(page)
        if short is not None and found is not None:
            table = short[1].strip("\n")
            page = f"{page[: found.start()]}{found[1]}\n{table}\n\n{found[2]}{page[found.end() :]}"
            print(f"{engine}: {target.relative_to(_ROOT)} and a table in {_PAGE.relative_to(_ROOT)}")
        else:
            print(f"{engine}: {target.relative_to(_ROOT)}; {_PAGE.name} has no place for its table, or it has none")
    _PAGE.write_text(page)


if __name__ == "__main__":
    main()
