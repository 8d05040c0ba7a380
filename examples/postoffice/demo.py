#!/usr/bin/env python
"""The whole post office under one Ctrl-C: the site, a worker, and an SMTP server that takes 0.7 s a letter.

    python examples/postoffice/demo.py [--port 8000] [--directory …] [--concurrency 2] [--broker redis://127.0.0.1:6379]

Two of them may run at once: each has its own ports and its own directory (`var`, `var/2`, …) for databases and letters.
"""

import signal

# Until there is something to stop, Ctrl-C just ends this, without a traceback.
signal.signal(signal.SIGINT, signal.SIG_DFL)

# ruff: noqa: E402 - the imports take long enough for a Ctrl-C
import argparse
import asyncio
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn

from conductor import HERE, PORT, SMTP_PORT, Demo


def number_up_to(largest: int) -> Callable[[str], int]:
    """What argparse calls to read a number from 1 to the largest."""

    def read(text: str) -> int:
        if not text.isdecimal() or not 1 <= int(text) <= largest:
            raise argparse.ArgumentTypeError(f"{text!r} is not a number from 1 to {largest}")
        return int(text)

    return read


def main() -> NoReturn:
    """Read the command line and run."""
    parser = argparse.ArgumentParser(description="The post office: a site, a worker and an SMTP server.")
    parser.add_argument("--host", default="127.0.0.1", help="where the site listens; 0.0.0.0 for the whole network")
    parser.add_argument(
        "--port", type=number_up_to(65535), help=f"the site's port (default {PORT} or the next free one)"
    )
    parser.add_argument("--smtp-port", type=number_up_to(65535), help=f"(default {SMTP_PORT} or the next free one)")
    parser.add_argument(
        "--concurrency", type=number_up_to(64), default=2, help="how many letters the worker sends at a time"
    )
    parser.add_argument("--directory", type=Path, help="where databases and letters are kept (default: var)")
    parser.add_argument(
        "--broker",
        metavar="URL",
        default=os.environ.get("CELERIAC_BROKER_URL", ""),
        help="redis://127.0.0.1:6379 or amqp://127.0.0.1:5672, for example (default: a file in the directory, or what "
        "CELERIAC_BROKER_URL says)",
    )
    options = parser.parse_args()
    if options.directory is not None:
        options.directory = options.directory.absolute()
    os.chdir(HERE)
    sys.exit(asyncio.run(Demo(options).run()))


if __name__ == "__main__":
    main()
