"""The app that a site gets for one line in INSTALLED_APPS."""

from pathlib import Path

import pytest
from django.test import override_settings

from celeriac import local
from celeriac.app.base import Celeriac
from celeriac.django.site_app import SiteApp, make_site_app
from celeriac.exceptions import ImproperlyConfigured
from tests.django.postoffice import run_in_site as run


def test_celery_settings_of_the_site_count() -> None:
    with override_settings(CELERY_TASK_DEFAULT_QUEUE="letters", CELERY_TASK_ACKS_LATE=False):
        app = make_site_app()
    assert app.conf.task_default_queue == "letters"
    assert app.conf.task_acks_late is False


def test_the_dict_celeriac_comes_before_celery_settings_and_takes_either_case() -> None:
    with override_settings(CELERY_TASK_DEFAULT_QUEUE="a", CELERIAC={"task_default_queue": "b", "RESULT_EXPIRES": 5}):
        app = make_site_app()
    assert app.conf.task_default_queue == "b"
    assert app.conf.result_expires == 5


def test_the_environment_comes_before_both(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CELERIAC_BROKER_URL", "memory://")
    with override_settings(CELERY_BROKER_URL="redis://a", CELERIAC={"broker_url": "redis://b"}):
        assert make_site_app().broker_url == "memory://"


def test_a_key_of_celeriac_that_is_no_setting_is_refused_with_a_proposal() -> None:
    with (
        override_settings(CELERIAC={"task_default_que": "letters"}),
        pytest.raises(ImproperlyConfigured, match=r"CELERIAC\['task_default_que'\].*task_default_queue"),
    ):
        make_site_app()


def test_celeriac_must_be_a_dict() -> None:
    with override_settings(CELERIAC="sqlite://"), pytest.raises(ImproperlyConfigured, match="must be a dict"):
        make_site_app()


def test_without_settings_messages_and_results_are_in_a_file_in_base_dir(tmp_path: Path) -> None:
    with override_settings(CELERIAC={}, BASE_DIR=tmp_path):
        app = make_site_app()
        assert app.broker_url == app.result_backend_url == f"sqlite:///{tmp_path}/celeriac.sqlite3"


def test_the_time_zone_is_the_sites() -> None:
    with override_settings(TIME_ZONE="Asia/Tbilisi"):
        assert str(make_site_app().timezone) == "Asia/Tbilisi"


def test_the_root_logger_is_the_projects() -> None:
    assert make_site_app().conf.worker_hijack_root_logger is False
    with override_settings(CELERY_WORKER_HIJACK_ROOT_LOGGER=True):
        assert make_site_app().conf.worker_hijack_root_logger is True


def test_a_worker_finds_the_tasks_of_every_installed_app(site: Celeriac) -> None:
    site.import_task_modules()
    assert "letters.tasks.send_letter" in site.tasks


IN_MODELS = """
from beds.tasks import water
water.delay(1)
"""

IN_READY = """
from django.apps import AppConfig

class BedsConfig(AppConfig):
    name = "beds"

    def ready(self):
        from beds.tasks import water
        water.delay(1)
"""


@pytest.mark.parametrize(("module", "source"), [("models", IN_MODELS), ("apps", IN_READY)])
def test_an_app_listed_before_celeriac_publishes_to_the_sites_broker_while_django_starts(
    tmp_path: Path, module: str, source: str
) -> None:
    for package in ("garden", "beds"):
        (tmp_path / package).mkdir()
        (tmp_path / package / "__init__.py").touch()
    url = f"sqlite:///{tmp_path}/early.sqlite3"
    settings = f"INSTALLED_APPS = ['beds', 'celeriac.django']\nCELERY_BROKER_URL = CELERY_RESULT_BACKEND = '{url}'\n"
    (tmp_path / "garden" / "settings.py").write_text(settings)
    (tmp_path / "beds" / "tasks.py").write_text("from celeriac import shared_task\nwater = shared_task(lambda x: x)\n")
    (tmp_path / "beds" / f"{module}.py").write_text(source)
    code = """
import django
django.setup()
from celeriac import current_app
print(current_app.broker_url, current_app.broker.size("celery").ready)
"""
    output = run(code, directory=tmp_path, PYTHONPATH=str(tmp_path), DJANGO_SETTINGS_MODULE="garden.settings")
    assert output == f"{url} 1"


def test_without_base_dir_the_file_is_beside_the_projects_package(tmp_path: Path) -> None:
    (tmp_path / "garden").mkdir()
    (tmp_path / "garden" / "settings.py").write_text("INSTALLED_APPS = ['celeriac.django']")
    code = """
from celeriac.django.finding import find_app
print(find_app("garden").broker_url)
"""
    output = run(code, directory=tmp_path, PYTHONPATH=str(tmp_path))
    assert output == f"sqlite:///{tmp_path}/celeriac.sqlite3"


def test_setting_up_django_makes_no_app_and_imports_no_task_module(tmp_path: Path) -> None:
    code = """
import sys, django
django.setup()
from celeriac import local
print(local._apps.current, "letters.tasks" in sys.modules)
"""
    output = run(code, directory=tmp_path, DJANGO_SETTINGS_MODULE="postoffice.settings")
    assert output == "None False"


def test_the_sites_app_is_the_current_one_and_made_once(tmp_path: Path) -> None:
    code = """
import django
django.setup()
from celeriac import current_app
print(type(current_app._get_current_object()).__name__, current_app.main, current_app == current_app)
"""
    output = run(code, directory=tmp_path, DJANGO_SETTINGS_MODULE="postoffice.settings")
    assert output == "SiteApp postoffice True"


def test_an_app_that_the_project_has_made_stays_the_current_one(tmp_path: Path) -> None:
    code = """
from celeriac import Celeriac, current_app
app = Celeriac("own")
import django
django.setup()
print(current_app.main)
"""
    assert run(code, directory=tmp_path, DJANGO_SETTINGS_MODULE="postoffice.settings") == "own"


def test_making_the_app_twice_makes_two() -> None:
    first, second = make_site_app(), make_site_app()
    assert isinstance(first, SiteApp)
    assert first is not second
    assert local._apps.current not in {first, second}
