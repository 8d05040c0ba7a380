"""The table of settings against Celery's own, and against itself."""

import json
from pathlib import Path

import pytest

from celeriac.setting import Celery, Setting
from celeriac.settings_kinds import Kind
from celeriac.settings_names import OLD_NAMES
from celeriac.settings_table import SETTINGS

#: Name -> [default, names of Celery 3], written by `record_celery_settings.py` from a real Celery 5.7.
CELERY = json.loads(Path(__file__).with_name("celery_settings.json").read_text())


def celery_default_of(setting: Setting) -> object:
    default = setting.default if setting.celery_default is Celery.SAME else setting.celery_default
    return list(default) if isinstance(default, tuple) else default


def test_every_setting_of_celery_is_here() -> None:
    assert len(CELERY) == 207
    assert set(CELERY) <= set(SETTINGS)


@pytest.mark.parametrize("name", CELERY)
def test_a_default_is_celerys_or_says_what_celerys_is(name: str) -> None:
    recorded, _ = CELERY[name]
    if name == "broker_url":  # declared as None there, and read as this
        recorded = "amqp://guest@localhost//"
    assert celery_default_of(SETTINGS[name]) == recorded


@pytest.mark.parametrize("name", CELERY)
def test_the_names_of_celery_3_are_known(name: str) -> None:
    _, old_names = CELERY[name]
    assert set(SETTINGS[name].old_names) == set(old_names)
    assert all(OLD_NAMES[old] == name for old in old_names)


@pytest.mark.parametrize("setting", SETTINGS.values(), ids=lambda setting: setting.name)
def test_a_setting_explains_itself(setting: Setting) -> None:
    assert setting.help[0].isupper() or setting.help[0] == "`", "a sentence"
    assert setting.help.endswith("."), "a sentence"
    if setting.celery_default is not Celery.SAME or setting.without_effect:
        assert setting.reason.endswith("."), "a difference has a reason"
    assert setting.wanted()


@pytest.mark.parametrize("setting", SETTINGS.values(), ids=lambda setting: setting.name)
def test_a_default_is_a_value_of_its_setting(setting: Setting) -> None:
    value = setting.value_of(setting.default)
    assert value == setting.default
    assert type(value) is type(setting.default) or setting.kinds == (Kind.NUMBER,)


def test_no_two_settings_share_an_old_name() -> None:
    old_names = [old for setting in SETTINGS.values() for old in setting.old_names]
    assert len(old_names) == len(set(old_names))


def test_work_is_not_lost_by_default() -> None:
    assert SETTINGS["task_acks_late"].default is True
    assert SETTINGS["task_max_deliveries"].default == 3
    assert SETTINGS["broker_heartbeat"].default == 4
