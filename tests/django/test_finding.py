"""What ``-A`` means in a Django project."""

from pathlib import Path

import pytest

from tests.django.postoffice import run_in_site

SETTINGS = """
SECRET_KEY = "x"
INSTALLED_APPS = ["celeriac.django", "beds", "django.contrib.contenttypes"]
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
"""

#: As every Django project with Celery has it.
OWN_APP = """
import os
from celeriac import Celeriac

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "garden.settings")
app = Celeriac("garden")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()
"""

#: Cannot be imported before Django is set up.
TASKS = """
from celeriac import shared_task
from django.contrib.contenttypes.models import ContentType

@shared_task
def water():
    pass
"""

FIND = """
from celeriac.django.finding import find_app
try:
    app = find_app({name!r})
    app.import_task_modules()
    print(type(app).__name__, app.main, "beds.tasks.water" in app.tasks, app.conf.worker_hijack_root_logger)
except Exception as error:
    print(f"{{type(error).__name__}}: {{error}}")
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A project `garden` with one app, `beds`."""
    for package in ("garden", "beds"):
        (tmp_path / package).mkdir()
        (tmp_path / package / "__init__.py").touch()
    (tmp_path / "garden" / "settings.py").write_text(SETTINGS)
    (tmp_path / "beds" / "tasks.py").write_text(TASKS)
    return tmp_path


def find(name: str, folder: Path, **environment: str) -> str:
    return run_in_site(FIND.format(name=name), directory=folder, PYTHONPATH=str(folder), **environment)


def test_a_site_needs_no_app_of_its_own(folder: Path) -> None:
    assert find("garden", folder) == "SiteApp garden True False"


def test_the_settings_that_the_environment_names_are_used(folder: Path) -> None:
    (folder / "garden" / "settings.py").rename(folder / "garden" / "production.py")
    assert find("garden", folder, DJANGO_SETTINGS_MODULE="garden.production") == "SiteApp garden True False"


def test_an_app_of_the_projects_own_is_used_and_finds_the_sites_tasks(folder: Path) -> None:
    (folder / "garden" / "celery.py").write_text(OWN_APP)
    assert find("garden", folder) == "Celeriac garden True False"


def test_connections_are_looked_after_though_celeriac_is_not_among_the_sites_apps(folder: Path) -> None:
    (folder / "garden" / "celery.py").write_text(OWN_APP)
    settings = folder / "garden" / "settings.py"
    settings.write_text(settings.read_text().replace('"celeriac.django", ', ""))
    code = """
from celeriac import signals
from celeriac.django.finding import find_app
find_app("garden")
for signal in (signals.task_prerun, signals.task_postrun):
    print(*sorted(known.receiver().__module__ for known in signal.receivers))
"""
    watchers = "celeriac.django.connections celeriac.django.localization"
    assert run_in_site(code, directory=folder, PYTHONPATH=str(folder)).splitlines() == [watchers, watchers]


def test_an_app_imported_by_the_projects_package_as_celerys_docs_have_it_is_used(folder: Path) -> None:
    (folder / "garden" / "celery.py").write_text(OWN_APP)
    (folder / "garden" / "__init__.py").write_text("from .celery import app as celery_app\n__all__ = ('celery_app',)")
    for environment in ({}, {"DJANGO_SETTINGS_MODULE": "garden.settings"}):
        assert find("garden", folder, **environment) == "Celeriac garden True False"


def test_an_app_named_exactly_is_used(folder: Path) -> None:
    (folder / "garden" / "queue.py").write_text(OWN_APP.replace("app", "the_app"))
    assert find("garden.queue:the_app", folder) == "Celeriac garden True False"


def test_an_app_that_does_not_name_the_settings_gets_those_beside_it(folder: Path) -> None:
    silent = "\n".join(line for line in OWN_APP.splitlines() if "environ" not in line)
    (folder / "garden" / "celery.py").write_text(silent)
    for name in ("garden", "garden.celery", "garden.celery:app"):
        assert find(name, folder) == "Celeriac garden True False"


@pytest.mark.parametrize(
    ("name", "environment", "sentence"),
    [
        ("gardn", {}, "There is no module 'gardn'"),
        ("gardn", {"DJANGO_SETTINGS_MODULE": "garden.settings"}, "There is no module 'gardn'"),
        ("garden:app", {}, "has no attribute 'app'"),
        ("beds", {"DJANGO_SETTINGS_MODULE": "garden.settings"}, "There is no app in module 'beds'"),
        ("beds", {}, "There is no module beds.settings: set DJANGO_SETTINGS_MODULE"),
    ],
)
def test_what_cannot_be_found_is_said_in_a_sentence(
    folder: Path, name: str, environment: dict[str, str], sentence: str
) -> None:
    output = find(name, folder, **environment)
    assert output.startswith("ImproperlyConfigured: ")
    assert sentence in output


def test_a_site_without_celeriac_among_its_apps_is_told_so(folder: Path) -> None:
    settings = folder / "garden" / "settings.py"
    settings.write_text(settings.read_text().replace('"celeriac.django", ', ""))
    assert "'celeriac.django' is not among the INSTALLED_APPS of the settings garden.settings" in find("garden", folder)


def test_a_mistake_in_the_projects_own_app_is_not_hidden(folder: Path) -> None:
    (folder / "garden" / "celery.py").write_text("import no_such_library")
    assert find("garden", folder) == "ModuleNotFoundError: No module named 'no_such_library'"


def test_every_process_of_the_site_has_the_app_of_its_celery_py_and_one_broker(folder: Path) -> None:
    (folder / "garden" / "celery.py").write_text(OWN_APP)
    code = """
import django
django.setup()
from celeriac import current_app
web = current_app._get_current_object()
from celeriac.django.finding import find_app
worker = find_app("garden")
print(web is worker, web.conf.worker_hijack_root_logger, web.broker_url)
"""
    expected = f"True False sqlite:///{folder}/celeriac.sqlite3"
    places = {"PYTHONPATH": str(folder), "DJANGO_SETTINGS_MODULE": "garden.settings"}
    assert run_in_site(code, directory=folder, **places) == expected
    (folder / "garden" / "__init__.py").write_text("from .celery import app")
    assert run_in_site(code, directory=folder, **places) == expected


@pytest.mark.parametrize("module", ["garden.production", "garden.settings_of.production"])
def test_a_celery_py_is_found_whatever_the_settings_are_called(folder: Path, module: str) -> None:
    (folder / "garden" / "celery.py").write_text(OWN_APP)
    settings = folder.joinpath(*module.split(".")).with_suffix(".py")
    settings.parent.mkdir(exist_ok=True)
    (folder / "garden" / "settings.py").rename(settings)
    code = """
import django
django.setup()
from celeriac import current_app
print(type(current_app._get_current_object()).__name__, current_app.main)
"""
    places = {"PYTHONPATH": str(folder), "DJANGO_SETTINGS_MODULE": module}
    assert run_in_site(code, directory=folder, **places) == "Celeriac garden"


def test_a_celery_py_with_another_package_s_app_leaves_the_site_its_own(folder: Path) -> None:
    (folder / "garden" / "celery.py").write_text("app = object()")
    code = """
import django
django.setup()
from celeriac import current_app
print(type(current_app._get_current_object()).__name__)
"""
    places = {"PYTHONPATH": str(folder), "DJANGO_SETTINGS_MODULE": "garden.settings"}
    assert run_in_site(code, directory=folder, **places) == "SiteApp"
