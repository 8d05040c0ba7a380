"""A small Django site of a test's own, in a folder, and processes of it that are really started and killed."""

import os
import subprocess
import sys
from pathlib import Path

import psutil

import celeriac


class Garden:
    """The site ``garden``: its settings and tasks are the test's. Each process gets ``FOLDER`` in its environment."""

    def __init__(self, folder: Path, *, settings: str, tasks: str) -> None:
        self.folder = folder
        package = folder / "garden"
        package.mkdir()
        (package / "__init__.py").touch()
        (package / "settings.py").write_text(settings)
        (package / "tasks.py").write_text(tasks)
        self.environment = os.environ | {
            "FOLDER": str(folder),
            "DJANGO_SETTINGS_MODULE": "garden.settings",
            "PYTHONPATH": os.pathsep.join([str(folder), str(Path(celeriac.__file__).parents[1])]),
        }
        self._log = (folder / "processes.log").open("w")
        self._processes: list[psutil.Popen] = []

    @property
    def log(self) -> str:
        """What all started processes have said so far."""
        return (self.folder / "processes.log").read_text()

    def start(self, *arguments: str) -> psutil.Popen:
        """Start an interpreter with these arguments."""
        process = psutil.Popen(
            [sys.executable, *arguments],
            cwd=self.folder,
            env=self.environment,
            stdout=self._log,
            stderr=subprocess.STDOUT,
        )
        self._processes.append(process)
        return process

    def start_worker(self, *options: str) -> psutil.Popen:
        """Start a worker; does not wait until it is ready."""
        return self.start("-m", "celeriac", "worker", *options)

    def run(self, code: str) -> str:
        """Return what the code prints, run in an interpreter of its own with Django set up."""
        done = subprocess.run(
            [sys.executable, "-c", f"import django\ndjango.setup()\n{code}"],
            env=self.environment,
            cwd=self.folder,
            capture_output=True,
            text=True,
            timeout=90,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    def close(self) -> None:
        """Kill what still runs."""
        for process in self._processes:
            if process.poll() is None:
                process.kill()
            process.wait()
        self._log.close()
