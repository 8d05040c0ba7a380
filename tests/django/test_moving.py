"""A project as Celery's own guide has it is moved by what the documentation says."""

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.django.small_site import SmallSite
from tests.pages import ROOT, read_page

pytestmark = pytest.mark.timeout(240)

#: Each import is one that projects have.
FILES = {
    "garden/__init__.py": """
        from .celery import app as celery_app

        __all__ = ("celery_app",)
        """,
    "garden/celery.py": """
        import os

        from celery import Celery
        from celery.signals import task_failure, task_prerun, worker_process_init, worker_ready

        os.environ.setdefault("DJANGO_SETTINGS_MODULE", "garden.settings")

        app = Celery("garden")
        app.config_from_object("django.conf:settings", namespace="CELERY")
        app.autodiscover_tasks()


        @worker_ready.connect
        def greet(sender, **more):
            print(f"ready {sender.hostname} {sender.app.main}")


        @worker_process_init.connect
        def prepare(sender=None, **more):
            print(f"child of {sender}")


        @task_prerun.connect
        def note(sender=None, task_id=None, task=None, args=None, kwargs=None, **more):
            print(f"prerun {task.name}")


        @task_failure.connect
        def complain(sender=None, task_id=None, exception=None, traceback=None, einfo=None, **more):
            print(f"failure {sender.name} {exception!r}")
        """,
    "garden/base.py": """
        import celery
        from celery.contrib.django.task import DjangoTask


        class Base(DjangoTask):
            abstract = True

            def on_success(self, retval, task_id, args, kwargs):
                print(f"on_success {self.name}")


        class Other(celery.Task):
            abstract = True
        """,
    "beds/tasks.py": """
        from celery import current_task, shared_task
        from celery.exceptions import MaxRetriesExceededError, SoftTimeLimitExceeded
        from celery.utils.log import get_task_logger
        from django.db import transaction

        from garden.base import Base, Other
        from garden.celery import app

        logger = get_task_logger(__name__)


        @shared_task(bind=True, base=Base, max_retries=3, default_retry_delay=0.1)
        def sow(self, seed):
            if self.request.retries < 2:
                raise self.retry(exc=ConnectionError("no soil"))
            logger.info("sown %s", seed)
            with transaction.atomic():
                transaction.on_commit(lambda: reap.delay(seed))
                return [self.request.retries, current_task.request.id == self.request.id]


        @app.task(ignore_result=True, base=Other)
        def reap(seed):
            print(f"reaped {seed}")


        @shared_task(autoretry_for=(ValueError,), retry_backoff=1, retry_backoff_max=1, max_retries=0)
        def spoil():
            raise ValueError("mildew")
        """,
    "garden/urls.py": """
        from celery.result import AsyncResult
        from django.http import JsonResponse
        from django.urls import path

        from beds.tasks import sow, spoil


        def begin(request, name):
            task = {"sow": sow, "spoil": spoil}[name]
            return JsonResponse({"id": task.delay(*request.GET.getlist("seed")).id})


        def poll(request, id):
            result = AsyncResult(id)
            value = result.get() if result.successful() else str(result.result)
            return JsonResponse({"ready": result.ready(), "state": result.state, "value": value})


        urlpatterns = [path("begin/<name>", begin), path("poll/<id>", poll)]
        """,
}

SETTINGS = """
    DATABASES["default"]["ATOMIC_REQUESTS"] = True
    CELERY_TASK_TRACK_STARTED = True
    CELERY_TASK_TIME_LIMIT = 30 * 60
    CELERY_ACCEPT_CONTENT = ["json"]
    CELERY_TASK_SERIALIZER = "json"
    CELERY_TIMEZONE = "Europe/Berlin"
    CELERY_RESULT_EXTENDED = True
    CELERY_TASK_ROUTES = {"beds.tasks.reap": {"queue": "harvest"}}
    """

#: What a browser would do, and prints what it sees.
VISIT = """
    import os
    import time

    import django

    os.environ["DJANGO_SETTINGS_MODULE"] = "garden.settings"
    django.setup()

    from django.test import Client

    client = Client()
    for address in ("/begin/sow?seed=rose", "/begin/spoil"):
        task = client.get(address).json()["id"]
        while not (answer := client.get(f"/poll/{task}").json())["ready"]:
            time.sleep(0.02)
        print(answer["state"], answer["value"])
    """


def move(directory: Path) -> None:
    """Do what the first step of the page says."""
    page = read_page(ROOT / "docs" / "moving.md")
    [command] = [block.code for block in page.blocks if "sed" in block.code]
    subprocess.run(["bash", "-c", command.strip().removeprefix("$ ")], cwd=directory, check=True)


@pytest.fixture
def site(tmp_path: Path) -> Iterator[SmallSite]:
    made = SmallSite(tmp_path)
    for name, text in FILES.items():
        made.write(name, text)
    made.append("garden/settings.py", SETTINGS)
    made.write("visit.py", VISIT)
    yield made
    made.close()


def test_a_project_of_celerys_guide_is_moved_by_the_steps_of_the_page(site: SmallSite) -> None:
    move(site.directory)
    checked = site.manage("check")
    assert "no issues" in checked.stdout + checked.stderr, "a moved project hears nothing"
    worker = site.start("-m", "celeriac", "-A", "garden", "worker", "-n", "w1@h", "-l", "INFO", "-Q", "celery,harvest")
    worker.wait_for("ready w1@h garden").wait_for("child of w1@h")
    seen = site.python("visit.py")
    assert seen.stdout.splitlines() == ["SUCCESS [2, True]", "FAILURE mildew"], seen.stderr
    worker.wait_for("reaped rose")
    worker.wait_for("prerun beds.tasks.sow", times=3).wait_for("on_success beds.tasks.sow")
    worker.wait_for("failure beds.tasks.spoil ValueError('mildew')")
