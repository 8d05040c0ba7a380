"""Where the example site is, a port for it, and an interpreter of its own."""

import os
import socket
import subprocess
import sys
from pathlib import Path

import celeriac

POSTOFFICE = Path(__file__).parents[2] / "examples" / "postoffice"


def free_port() -> int:
    """A port that nobody listens on at the moment."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port


def run_in_site(code: str, *, directory: Path, **environment: str) -> str:
    """Return what the code prints, run in the example's folder in an interpreter of its own; no warning is let pass."""
    command = [sys.executable, "-W", "error", "-c", code]
    environment = {"POSTOFFICE_DIRECTORY": str(directory), "PATH": ""} | environment
    # The celeriac under test, wherever the interpreter has another one.
    places = [environment.get("PYTHONPATH", ""), str(Path(celeriac.__file__).parents[1])]
    environment["PYTHONPATH"] = os.pathsep.join(filter(None, places))
    done = subprocess.run(
        command, cwd=POSTOFFICE, env=environment, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()
