"""A small site whose tests are run by tests of celeriac's testing tools."""

import os

SECRET_KEY = "x"
INSTALLED_APPS = ["celeriac.django", "orders"]
ROOT_URLCONF = "papershop.urls"
USE_TZ = True
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
DATABASES = {
    alias: {
        "ENGINE": "django.db.backends.sqlite3",
        "NAME": f"{os.environ['PAPERSHOP']}/{alias}.sqlite3",
        # A file, because one in memory survives that its connection is closed, which these tests have to notice.
        "TEST": {"NAME": os.environ.get("PAPERSHOP_TEST_NAME") or f"{os.environ['PAPERSHOP']}/test_{alias}.sqlite3"},
    }
    for alias in ("default", "other")
}
TASKS = {"default": {"BACKEND": "celeriac.django.TaskBackend"}}
CELERIAC = {
    "broker_url": f"sqlite:///{os.environ['PAPERSHOP']}/queue.sqlite3",
    "result_backend": f"sqlite:///{os.environ['PAPERSHOP']}/queue.sqlite3",
}
