"""A site of its own that sends mails through the queue, with a real mail server and a real worker."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil

import celeriac
from celeriac import Celeriac
from celeriac.async_result import AsyncResult
from tests.django.mail_server import MailServer
from tests.django.postoffice import run_in_site
from tests.django.running_demo import PATIENCE, wait_until

SETTINGS = """
import os
from pathlib import Path
import django

BASE_DIR = Path(os.environ["FOLDER"])
SECRET_KEY = "x"
USE_TZ = True
INSTALLED_APPS = [
    "celeriac.django", "django.contrib.sessions", "django.contrib.contenttypes", "django.contrib.auth", "beds"
]
DATABASES = {
    alias: {"ENGINE": "django.db.backends.sqlite3", "NAME": BASE_DIR / f"{alias}.sqlite3"}
    for alias in ("default", "other")
}
MEDIA_ROOT = BASE_DIR / "media"
STORAGES = {"default": {"BACKEND": "beds.storage.MoodyStorage"}}
SERVER_EMAIL = "site@example.com"
DEFAULT_FROM_EMAIL = "garden@example.com"
ADMINS = ["admin@example.com"] if django.VERSION >= (6, 0) else [("Admin", "admin@example.com")]
SMTP_PORT = int(os.environ["SMTP_PORT"])
if django.VERSION >= (6, 1):
    MAILERS = {
        "default": {
            "BACKEND": "celeriac.django.mail.EmailBackend",
            "OPTIONS": {"host": "127.0.0.1", "port": SMTP_PORT},
        },
        "slow": {
            "BACKEND": "celeriac.django.mail.EmailBackend",
            "OPTIONS": {"queue": "slow", "backend": "django.core.mail.backends.dummy.EmailBackend"},
        },
        "mute": {
            "BACKEND": "celeriac.django.mail.EmailBackend",
            "OPTIONS": {"host": "127.0.0.1", "port": 1, "fail_silently": True},
        },
    }
else:
    EMAIL_BACKEND = "celeriac.django.mail.EmailBackend"
    EMAIL_HOST, EMAIL_PORT = "127.0.0.1", SMTP_PORT
CELERIAC = {
    "task_annotations": {
        "celeriac.django.tasks.send_email": {"max_retries": 3, "retry_backoff": 0.1, "retry_jitter": False}
    },
}
CELERIAC_COMMANDS_ALLOWED = ["speak", "check"]
CELERIAC_COMMANDS_OUTPUT_LIMIT = 100
# As sites have it: what is an error goes to the admins by mail.
LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "handlers": {
        "console": {"class": "logging.StreamHandler"},
        "admins": {"class": "django.utils.log.AdminEmailHandler", "level": "ERROR"},
    },
    "root": {"handlers": ["console", "admins"], "level": "INFO"},
}
"""

COMMAND = """
import sys
from django.core.management.base import BaseCommand, CommandError

class Command(BaseCommand):
    def add_arguments(self, parser):
        parser.add_argument("words", nargs="*")
        parser.add_argument("--loud", action="store_true")
        parser.add_argument("--status", type=int)
        parser.add_argument("--fail")

    def handle(self, *, words, loud, status, fail, **options):
        text = " ".join(words)
        self.stdout.write(text.upper() if loud else text)
        if fail:
            raise CommandError(fail)
        if status is not None:
            sys.exit(status)
"""

STORAGE = """
from django.conf import settings
from django.core.files.storage import FileSystemStorage

class MoodyStorage(FileSystemStorage):
    def _open(self, name, mode="rb"):
        marker = settings.BASE_DIR / "closed"
        if marker.exists():
            marker.unlink()
            raise RuntimeError("closed for lunch")
        return super()._open(name, mode)
"""

PRELUDE = """
import django
django.setup()
from django.core.mail import EmailMessage, EmailMultiAlternatives, mail_admins, send_mail, send_mass_mail
from celeriac import current_app, signals

ids = []

@signals.after_task_publish.connect(weak=False)
def note(headers, **_):
    ids.append(headers["id"])
"""


class MailSite:
    """The site's folder, its mail server, and what runs for it."""

    def __init__(self, directory: Path, server: MailServer) -> None:
        self.directory = directory
        self.server = server
        self.environment = {
            "FOLDER": str(directory),
            "SMTP_PORT": str(server.port),
            "DJANGO_SETTINGS_MODULE": "garden.settings",
            "PYTHONPATH": f"{directory}:{Path(celeriac.__file__).parents[1]}",  # the celeriac under test
        }
        self._worker: subprocess.Popen[bytes] | None = None
        for package in ("garden", "beds", "beds/management", "beds/management/commands"):
            (directory / package).mkdir()
            (directory / package / "__init__.py").touch()
        (directory / "garden" / "settings.py").write_text(SETTINGS)
        (directory / "beds" / "management" / "commands" / "speak.py").write_text(COMMAND)
        (directory / "beds" / "storage.py").write_text(STORAGE)
        url = f"sqlite:///{directory}/celeriac.sqlite3"
        self.app = Celeriac("asker", broker=url, backend=url, set_as_current=False)

    def run(self, code: str, **environment: str) -> list[str]:
        """Run code in the site's interpreter, as a view would; return the ids of the tasks it has published."""
        output = run_in_site(
            PRELUDE + code + "\nprint('ids', *ids)", directory=self.directory, **self.environment, **environment
        )
        return output.splitlines()[-1].split()[1:]

    def send(self, *recipients: str) -> AsyncResult[Any]:
        """Send a mail with that many recipients, and return the result of its task."""
        [task_id] = self.run(f"send_mail('Beds', 'Full of tulips', None, {list(recipients)})")
        return self.app.AsyncResult(task_id)

    def start_worker(self) -> None:
        log = (self.directory / "worker.log").open("wb")
        self._worker = subprocess.Popen(
            [sys.executable, "-m", "celeriac", "-A", "garden", "worker", "-c", "1", "-l", "INFO"],
            cwd=self.directory,
            env={**os.environ, **self.environment},
            stdout=log,
            stderr=subprocess.STDOUT,
        )
        log.close()

    def kill_client(self, port: int) -> None:
        """Kill the process of the worker's that has a connection from this port, by SIGKILL."""
        assert self._worker is not None
        for process in psutil.Process(self._worker.pid).children(recursive=True):
            if any(each.laddr and each.laddr.port == port for each in process.net_connections()):
                process.kill()
                return
        raise AssertionError(port)

    @property
    def log(self) -> str:
        return (self.directory / "worker.log").read_text(errors="replace")

    def waiting(self, queue: str = "celery") -> int:
        """Messages that nobody has taken."""
        return self.app.broker.size(queue).ready

    def wait(self, condition: Callable[[], Any], what: str) -> Any:
        return wait_until(condition, f"{what}; the worker's log:\n{self.log}")

    def close(self) -> None:
        if self._worker is not None:
            self._worker.send_signal(signal.SIGTERM)
            try:
                self._worker.wait(PATIENCE)
            finally:
                self._worker.kill()
        self.app.close()
