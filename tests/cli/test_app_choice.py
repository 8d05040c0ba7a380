"""Which app is meant is decided without importing anything of the user's."""

import sys
from pathlib import Path

import pytest

from celeriac.cli.app_choice import choose_app, no_app

PLAIN = "celeriac.app.finding:find_app"
DJANGO = "celeriac.django.finding:find_app"
BOOM = "raise RuntimeError('imported')\n"


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])
    return tmp_path


def test_what_is_given_wins_over_the_environment():
    assert choose_app("given", {"CELERIAC_APP": "named"}) == ("given", PLAIN)
    assert choose_app(None, {"CELERIAC_APP": "ours", "CELERY_APP": "theirs"}) == ("ours", PLAIN)
    assert choose_app(None, {"CELERY_APP": "theirs"}) == ("theirs", PLAIN)
    assert choose_app(None, {}) is None


def test_with_django_settings_the_site_is_the_app():
    environ = {"DJANGO_SETTINGS_MODULE": "site.settings.production"}
    assert choose_app(None, environ) == ("site", DJANGO)
    assert choose_app("site.celery:app", environ) == ("site.celery:app", DJANGO)


@pytest.mark.parametrize("settings", ["settings.py", "settings/base.py"])
def test_a_django_project_is_known_by_its_settings(folder: Path, settings):
    file = folder / "site_x" / settings
    file.parent.mkdir(parents=True)
    (folder / "site_x" / "__init__.py").write_text(BOOM)
    file.write_text(f"INSTALLED_APPS = []\n{BOOM}")
    for name in ("site_x", "site_x.celery", "site_x.celery:app", "site_x:app"):
        assert choose_app(name, {}) == (name, DJANGO)


def test_a_package_with_other_settings_is_no_django_project(folder: Path):
    (folder / "package_x").mkdir()
    (folder / "package_x" / "__init__.py").write_text(BOOM)
    (folder / "package_x" / "settings.py").write_text("broker_url = 'sqlite:///x.db'\n")
    assert choose_app("package_x", {}) == ("package_x", PLAIN)


def test_a_dotted_name_whose_package_is_not_there_is_left_to_the_finder():
    assert choose_app("no.such.thing", {}) == ("no.such.thing", PLAIN)


def test_the_only_app_of_the_folder_is_suggested(folder: Path):
    assert "Here this may be it" not in no_app("status")
    (folder / "proj_x").mkdir()
    (folder / "proj_x" / "__init__.py").write_text("")
    (folder / "proj_x" / "celery.py").write_text(f"app: Celery = Celery('x')\n{BOOM}")
    assert no_app("status").endswith("Here this may be it: celeriac -A proj_x status")
    (folder / "tasks_x.py").write_text("queue = celeriac.Celeriac('y')\n")
    assert "Here this may be it" not in no_app("status")
