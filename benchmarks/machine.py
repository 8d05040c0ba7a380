"""What the numbers were measured on."""

import os
import platform
import re
import shutil
import sqlite3
import subprocess
from importlib.metadata import version
from pathlib import Path

__all__ = ["describe", "load", "server"]


def describe() -> str:
    """Return one line about the machine and the versions below the queues."""
    system = f"{platform.system()} {platform.release()}"
    return f"{system}, {os.cpu_count()} x {_processor()}, {_memory()}, Python {platform.python_version()}"


def load() -> str:
    """Return how busy the machine is with other things."""
    return f"load average {os.getloadavg()[0]:.1f}"


def server(engine: str) -> str:
    """Return what keeps the messages, with its version."""
    match engine:
        case "sqlite":
            return f"one file, SQLite {sqlite3.sqlite_version}"
        case "redis":
            return f"{_redis()}, results in another database of it; redis-py {version('redis')}"
        case "rabbitmq":
            return f"RabbitMQ {_rabbit()}, a server of this run alone, classic durable queues; results in {_redis()}"
        case _:
            return "PostgreSQL, a database of its own"


def _redis() -> str:
    said = _output("redis-server", "--version")
    number = re.search(r"v=(\S+)", said)
    return f"Redis {number[1] if number else '?'} started for each measurement, nothing on disk"


def _rabbit() -> str:
    places = sorted(Path("/usr/lib/rabbitmq/lib").glob("rabbitmq_server-*"))
    return places[-1].name.rpartition("-")[2] if places else "?"


def _output(program: str, *words: str) -> str:
    path = shutil.which(program)
    return subprocess.run([path, *words], capture_output=True, text=True, check=False).stdout if path else ""


def _memory() -> str:
    return f"{os.sysconf('SC_PAGE_SIZE') * os.sysconf('SC_PHYS_PAGES') / 2**30:.0f} GiB"


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()
