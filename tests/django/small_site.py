"""A small Django project of a test's own, in a folder that it may change, and its processes."""

import contextlib
import os
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable
from pathlib import Path

import celeriac

#: Seconds that anything may take on a slow, busy machine.
PATIENCE = 60.0

#: Where the tested package is, which is not always the installed one.
SOURCE = Path(celeriac.__file__).parents[1]

FILES = {
    "manage.py": """
        import os
        import sys

        from django.core.management import execute_from_command_line

        if __name__ == "__main__":
            os.environ.setdefault("DJANGO_SETTINGS_MODULE", "garden.settings")
            execute_from_command_line(sys.argv)
        """,
    "garden/__init__.py": "",
    "garden/settings.py": """
        from pathlib import Path

        BASE_DIR = Path(__file__).resolve().parent.parent
        SECRET_KEY = "x"
        DEBUG = True
        ALLOWED_HOSTS = ["*"]
        INSTALLED_APPS = ["celeriac.django", "beds"]
        ROOT_URLCONF = "garden.urls"
        TEMPLATES = [{"BACKEND": "django.template.backends.django.DjangoTemplates", "APP_DIRS": True}]
        DATABASES = {"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": BASE_DIR / "site.sqlite3"}}
        USE_TZ = True
        """,
    "garden/other.py": """
        from garden.settings import *

        CELERY_BROKER_URL = CELERY_RESULT_BACKEND = f"sqlite:///{BASE_DIR}/other.sqlite3"
        """,
    "garden/urls.py": """
        from django.http import HttpResponse
        from django.urls import path

        urlpatterns = [path("", lambda request: HttpResponse("roses"))]
        """,
    "beds/__init__.py": "",
    "beds/templates/beds/label.txt": "roses",
    "beds/tasks.py": """
        import time
        from pathlib import Path

        from celeriac import shared_task
        from django.template.loader import render_to_string


        @shared_task
        def water(litres):
            return litres


        @shared_task
        def label():
            return render_to_string("beds/label.txt")


        @shared_task
        def grow(name):
            Path(f"{name}.begun").touch()
            while not Path(f"{name}.may-end").exists():
                time.sleep(0.02)
            Path(f"{name}.ended").touch()
            return name
        """,
}


def wait_until(condition: Callable[[], object], what: str) -> None:
    """Ask again and again until the answer is truthy."""
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline, f"Waited {PATIENCE:g} s in vain for: {what}"
        time.sleep(0.02)


class SiteProcess:
    """A process of the project's; its output goes to a file."""

    def __init__(self, directory: Path, number: int, words: tuple[str, ...]) -> None:
        self._log_path = directory / f"process-{number}.log"
        with self._log_path.open("wb") as log:
            self.process = subprocess.Popen(
                [sys.executable, *words],
                cwd=directory,
                env=environment(),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    @property
    def pid(self) -> int:
        return self.process.pid

    @property
    def log(self) -> str:
        """What it has printed so far."""
        return self._log_path.read_text(errors="replace")

    def wait_for(self, text: str, times: int = 1) -> "SiteProcess":
        """Wait until it has printed this so many times."""
        wait_until(lambda: self.log.count(text) >= times or self.process.poll() is not None, f"{text!r}")
        assert self.log.count(text) >= times, self.log
        return self

    def end(self, number: int = signal.SIGTERM) -> int:
        """Send an OS signal, and return the exit status."""
        if self.process.poll() is None:
            self.process.send_signal(number)
        return self.process.wait(PATIENCE)


class SmallSite:
    """The project, and what is done with it."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self._processes: list[SiteProcess] = []
        for name, text in FILES.items():
            self.write(name, text)

    def path(self, name: str) -> Path:
        return self.directory / name

    def write(self, name: str, text: str) -> None:
        """Write a file."""
        path = self.path(name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(textwrap.dedent(text))

    def edit(self, name: str, old: str, new: str) -> None:
        """Replace text in a file, as an editor saves it."""
        text = self.path(name).read_text()
        assert old in text
        self.path(name).write_text(text.replace(old, new))

    def append(self, name: str, text: str) -> None:
        """Add to a file."""
        self.path(name).write_text(self.path(name).read_text() + textwrap.dedent(text))

    def start(self, *words: str) -> SiteProcess:
        """Start Python with these words."""
        process = SiteProcess(self.directory, len(self._processes), words)
        self._processes.append(process)
        return process

    def manage(self, *words: str) -> subprocess.CompletedProcess[str]:
        """Run manage.py."""
        return self.python("manage.py", *words)

    def python(self, *words: str) -> subprocess.CompletedProcess[str]:
        """Run Python with these words to the end."""
        return subprocess.run(
            [sys.executable, *words],
            cwd=self.directory,
            env=environment(),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=PATIENCE,
            check=False,
        )

    def call(self, task: str, *arguments: str) -> str:
        """Have a task of ``beds`` run by a worker, and return its result as printed."""
        done = self.manage("celeriac", "call", f"beds.tasks.{task}", "-a", f"[{', '.join(arguments)}]", "-w", "30")
        return done.stdout.strip()

    def begin(self, name: str) -> None:
        """Have ``grow`` run, and wait until it has begun."""
        self.manage("celeriac", "call", "beds.tasks.grow", "-a", f'["{name}"]')
        wait_until(self.path(f"{name}.begun").exists, f"{name} to begin")

    def may_end(self, name: str) -> None:
        """Let ``grow`` end."""
        self.path(f"{name}.may-end").touch()

    def has_ended(self, name: str) -> bool:
        return self.path(f"{name}.ended").exists()

    def pids(self) -> dict[int, str]:
        """Return every process that has this folder as its current one, and its command line."""
        found = {}
        for process in Path("/proc").iterdir():
            if process.name.isdecimal():
                try:
                    if (process / "cwd").readlink() == self.directory:
                        command = (process / "cmdline").read_bytes().replace(b"\0", b" ").decode().strip()
                        if command:  # a zombie has none
                            found[int(process.name)] = command
                except OSError:
                    continue
        return found

    def close(self) -> None:
        """End every process, whatever state it is in."""
        for process in self._processes:
            if process.process.poll() is None:
                process.process.kill()
                process.process.wait(PATIENCE)
        for pid in self.pids():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)


def environment() -> dict[str, str]:
    """Return this process's environment without what would lead a command elsewhere."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("CELERI", "CELERY", "DJANGO"))}
    kept.pop("NO_COLOR", None)
    return kept | {"PYTHONPATH": str(SOURCE), "PYTHONDONTWRITEBYTECODE": "1", "COLUMNS": "80"}
