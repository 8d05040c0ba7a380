"""Settings from modules, objects, variables and arguments."""

import sys
from types import SimpleNamespace

import pytest

from celeriac.config_loading import config_module, load_settings, module_in_variable, parse_assignments, read_source
from celeriac.dotted_name import import_dotted_name
from celeriac.exceptions import CeleryWarning, ImproperlyConfigured
from celeriac.settings import Settings


@pytest.fixture
def project(tmp_path, monkeypatch):
    """Return a function that writes a module, importable until the test ends."""
    monkeypatch.syspath_prepend(tmp_path)
    before = set(sys.modules)

    def write(name, text):
        (tmp_path / f"{name}.py").write_text(text)
        return name

    yield write
    for name in set(sys.modules) - before:
        del sys.modules[name]


def test_a_module_is_read_by_name(project):
    project("shop_config", "import os\nfrom datetime import timedelta\ntask_time_limit = 5\nmine = 1\n_hidden = 2\n")
    conf = Settings()
    assert load_settings(conf, "shop_config")
    assert conf.task_time_limit == 5.0
    assert conf.mine == 1
    assert set(conf.changes()) == {"task_time_limit", "mine"}, "imports and hidden names are no settings"


@pytest.mark.parametrize("name", ["shop_settings.Config", "shop_settings:Config", "shop_settings:Config.Inner"])
def test_a_class_is_read_by_name(project, name):
    project(
        "shop_settings",
        "class Base:\n    task_time_limit = 5\nclass Config(Base):\n    broker_url = 'memory://'\n    Inner = Base\n",
    )
    conf = Settings()
    load_settings(conf, name)
    assert conf.task_time_limit == 5.0


def test_an_object_and_a_dict_are_read():
    for source in (SimpleNamespace(task_time_limit=5), {"task_time_limit": 5}):
        conf = Settings()
        load_settings(conf, source)
        assert conf.task_time_limit == 5.0


def test_of_django_settings_only_what_concerns_us_is_looked_at():
    class Lazy:
        CELERY_TASK_TIME_LIMIT = 5
        TIME_ZONE = "Europe/Berlin"

        @property
        def SECRET_KEY(self):  # noqa: N802 - Django's name
            raise ImproperlyConfigured("must not be empty")

        @property
        def configured(self):
            raise AssertionError("was looked at")

    for namespace in ("CELERY", None):
        values = read_source(Lazy(), namespace=namespace)
        assert values == {"CELERY_TASK_TIME_LIMIT": 5, "TIME_ZONE": "Europe/Berlin"}


def test_a_module_that_is_not_there_is_an_error_with_a_cure(project):
    with pytest.raises(ImproperlyConfigured, match=r"'nowhere_config' cannot be imported .*: check the name"):
        load_settings(Settings(), "nowhere_config")
    project("shop_config", "")
    with pytest.raises(ImproperlyConfigured, match="write it without the ending, as 'shop_config'"):
        load_settings(Settings(), "shop_config.py")


def test_a_missing_module_can_be_passed_over():
    conf = Settings()
    assert load_settings(conf, "nowhere_config", silent=True) is False
    assert conf.changes() == {}


def test_an_error_inside_the_module_is_shown_as_it_is(project):
    project("broken_config", "import nowhere_else\n")
    with pytest.raises(ImproperlyConfigured, match="No module named 'nowhere_else'"):
        load_settings(Settings(), "broken_config")
    project("failing_config", "1 / 0\n")
    with pytest.raises(ZeroDivisionError):
        load_settings(Settings(), "failing_config")


def test_our_own_namespace_refuses_slips_and_celerys_warns():
    with pytest.raises(ImproperlyConfigured, match="CELERIAC_TASK_ACKS_LAT: did you mean task_acks_late"):
        load_settings(Settings(), {"CELERIAC_TASK_ACKS_LAT": 1}, namespace="CELERIAC")
    with pytest.warns(CeleryWarning, match="did you mean task_acks_late"):
        load_settings(Settings(), {"CELERY_TASK_ACKS_LAT": 1}, namespace="CELERY")


def test_the_environment_names_a_module():
    assert config_module({"CELERY_CONFIG_MODULE": "a", "CELERIAC_CONFIG_MODULE": "b"}) == "b"
    assert config_module({"CELERY_CONFIG_MODULE": "a"}) == "a"
    assert config_module({"CELERY_CONFIG_MODULE": ""}) is None
    assert module_in_variable("MINE", {"MINE": "a"}) == "a"
    assert module_in_variable("MINE", {}, silent=True) is None
    with pytest.raises(ImproperlyConfigured, match="environment variable MINE is not set"):
        module_in_variable("MINE", {})


def test_settings_are_read_from_arguments():
    assert parse_assignments(
        ["worker.concurrency=4", "task_default_queue=post", "task_acks_late=false", "beat_schedule={}"]
    ) == {"worker_concurrency": 4, "task_default_queue": "post", "task_acks_late": False, "beat_schedule": {}}
    with pytest.raises(ImproperlyConfigured, match="write name=value"):
        parse_assignments(["worker_concurrency"])
    with pytest.raises(ImproperlyConfigured, match="did you mean worker_concurrency"):
        parse_assignments(["worker_concurency=4"])


def test_dotted_names_say_which_part_is_missing(project, tmp_path, monkeypatch):
    assert import_dotted_name("os.path:join") is import_dotted_name("os.path.join")
    with pytest.raises(ImportError, match="'os' has no 'nonsense'"):
        import_dotted_name("os.nonsense")
    with pytest.raises(ImportError, match="no module 'nowhere'"):
        import_dotted_name("nowhere.at.all")
    (tmp_path / "here").mkdir()
    (tmp_path / "here" / "right_here.py").write_text("value = 1\n")
    monkeypatch.chdir(tmp_path / "here")
    path = list(sys.path)
    assert import_dotted_name("right_here.value") == 1, "the current directory counts"
    assert sys.path == path
