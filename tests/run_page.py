"""Run a page's examples; called by test_docs in a process of its own, with the blocks as JSON on standard input."""

import doctest
import json
import sys


def main() -> int:
    """Execute the blocks in order in one namespace; return how many examples gave another answer than the page says."""
    namespace: dict[str, object] = {"__name__": "__main__"}
    sys.path.insert(0, "")
    failed = 0
    for block in json.load(sys.stdin):
        if block["language"] == "python":
            code = "\n" * (block["line"] - 1) + block["code"]
            exec(compile(code, block["page"], "exec"), namespace)
            continue
        examples = doctest.DocTestParser().get_examples(block["code"])
        test = doctest.DocTest(examples, namespace, block["page"], block["page"], block["line"] - 1, None)
        runner = doctest.DocTestRunner(optionflags=doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE)
        failed += runner.run(test, clear_globs=False).failed
        namespace.update(test.globs)
    return failed


if __name__ == "__main__":
    sys.exit(main())
