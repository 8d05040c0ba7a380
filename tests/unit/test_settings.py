"""The settings object: where values come from, what is refused, how it is shown."""

import copy
import json
import pickle
import warnings
from datetime import timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from celeriac.exceptions import CeleryWarning, ImproperlyConfigured
from celeriac.routing import Queue
from celeriac.settings import Settings
from celeriac.settings_display import MASK, censor_url
from celeriac.settings_names import OLD_NAMES
from celeriac.settings_table import SETTINGS

NAMES = st.sampled_from(sorted(SETTINGS))
FLAGS = st.sampled_from(sorted(name for name, one in SETTINGS.items() if isinstance(one.default, bool)))
ANYTHING = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(max_size=5),
    st.binary(max_size=3),
    st.lists(st.integers(), max_size=2),
    st.dictionaries(st.text(max_size=3), st.integers(), max_size=2),
    st.timedeltas(),
    st.builds(object),
)


# Reading.


def test_a_setting_reads_the_same_as_attribute_item_and_through_get() -> None:
    conf = Settings(task_time_limit=30)
    assert conf.task_time_limit == conf["task_time_limit"] == conf.get("task_time_limit") == 30.0


@given(NAMES)
def test_every_setting_is_there_without_being_set(name: str) -> None:
    conf = Settings()
    assert name in conf
    assert name in list(conf)
    assert getattr(conf, name) == conf[name]


def test_a_name_that_is_no_setting_says_what_was_meant() -> None:
    with pytest.raises(AttributeError, match="task_ack_late: did you mean task_acks_late"):
        _ = Settings().task_ack_late
    with pytest.raises(KeyError):
        _ = Settings()["nonsense"]
    assert Settings().get("nonsense", 7) == 7
    assert not hasattr(Settings(), "nonsense")


@given(st.sampled_from(sorted(OLD_NAMES)))
def test_names_of_celery_3_read_and_write_the_same_setting(old: str) -> None:
    conf = Settings()
    assert old in conf
    conf[old] = SETTINGS[OLD_NAMES[old]].default
    assert conf[old] == conf[OLD_NAMES[old]] == getattr(conf, old)
    assert OLD_NAMES[old] in conf.changes()


def test_settings_that_follow_another_do_so_until_they_are_set() -> None:
    conf = Settings(broker_url="memory://", task_default_queue="post")
    assert conf.broker_read_url == conf.broker_write_url == "memory://"
    assert conf.task_default_exchange == conf.task_default_routing_key == "post"
    conf.task_default_exchange = "letters"
    conf.task_default_queue = "mail"
    assert conf.task_default_exchange == "letters"
    assert conf.task_default_routing_key == "mail"


def test_a_broker_given_in_parts_has_a_url() -> None:
    conf = Settings(broker_host="rabbit", broker_port=5672, broker_user="me", broker_password="p@ss/", broker_vhost="v")
    assert conf.broker_url == "amqp://me:p%40ss%2F@rabbit:5672/v"
    conf.broker_url = "memory://"
    assert conf.broker_url == "memory://"


# Writing.


def test_text_that_says_a_value_is_that_value() -> None:
    conf = Settings(
        task_acks_late="no",
        worker_concurrency="4",
        task_time_limit="2.5",
        result_expires=timedelta(hours=1),
        imports="a",
    )
    assert conf.task_acks_late is False
    assert conf.worker_concurrency == 4
    assert conf.task_time_limit == 2.5
    assert conf.result_expires == 3600.0
    assert conf.imports == ("a",)


@given(NAMES, ANYTHING)
def test_a_written_value_is_taken_or_refused_with_a_sentence_that_names_the_setting(name: str, value: object) -> None:
    conf = Settings()
    refusal = ""
    try:
        conf[name] = value
    except ImproperlyConfigured as error:
        refusal = str(error)
    if refusal:
        assert refusal.startswith(f"The setting {name} must be ")
        assert refusal.endswith(".")
        assert conf.changes() == {}, "a refused value changes nothing"
    else:
        assert conf[name] is None or SETTINGS[name].value_of(conf[name]) == conf[name], "a value stays what it is"


@given(FLAGS, st.sampled_from([("yes", True), ("True", True), ("0", False), (" off ", False), (1, True), (0, False)]))
def test_a_flag_takes_the_usual_words(name: str, case: tuple[object, bool]) -> None:
    written, meant = case
    assert Settings({name: written})[name] is meant


@pytest.mark.parametrize(
    ("name", "value", "sentence"),
    [
        ("task_time_limit", "soon", "must be a number of seconds or a timedelta of at least 0 or None, not 'soon'"),
        ("worker_concurrency", 0, "must be a whole number of at least 1, 'auto' or None, not 0"),
        ("worker_concurrency", "many", "'auto' or None, not 'many'"),
        ("worker_pool", "fibers", "'threads', 'solo'"),
        ("task_acks_late", "perhaps", "must be true or false, not 'perhaps'"),
        ("task_protocol", 1, "must be 2, not 1"),
        ("beat_schedule", [1], "must be a dict"),
    ],
)
def test_a_wrong_value_is_refused(name: str, value: object, sentence: str) -> None:
    with pytest.raises(ImproperlyConfigured, match=f"The setting {name} ") as caught:
        Settings({name: value})
    assert sentence in str(caught.value)


def test_none_means_the_default_where_none_is_no_value() -> None:
    conf = Settings(task_acks_late=None, beat_schedule=None, broker_heartbeat=None)
    assert conf.task_acks_late is True
    assert conf.beat_schedule == {}
    assert conf.broker_heartbeat is None
    conf.beat_schedule["a"] = {}
    assert Settings().beat_schedule == {}


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("task_acks_lat", "did you mean task_acks_late"),
        ("TASK_ACKS_LATE", "did you mean task_acks_late"),
        ("CELERY_TASK_ACKS_LATE", "its name is task_acks_late here"),
        ("task_max_retries", "an option of each task"),
    ],
)
def test_writing_a_name_that_is_nearly_a_settings_is_refused(name: str, hint: str) -> None:
    conf = Settings()
    with pytest.raises(ImproperlyConfigured, match=hint):
        conf.update({"task_time_limit": 5, name: 1})
    with pytest.raises(ImproperlyConfigured, match=hint):
        setattr(conf, name, 1)
    assert conf.task_time_limit is None, "all or nothing"


def test_keys_of_ones_own_are_welcome() -> None:
    conf = Settings(redbeat_redis_url="redis://h/1", beat_dburi="sqlite://")
    conf.my_key = 1
    conf["task_acks_lat"] = "on purpose"
    assert (conf.redbeat_redis_url, conf["my_key"], conf["task_acks_lat"]) == ("redis://h/1", 1, "on purpose")
    assert set(conf.unknown()) == {"redbeat_redis_url", "beat_dburi", "my_key", "task_acks_lat"}
    assert conf.unknown()["task_acks_lat"] == "did you mean task_acks_late?"


def test_a_key_named_like_a_method_hides_no_method() -> None:
    conf = Settings()
    conf["update"] = 1
    conf.update(task_time_limit=1)
    assert conf["update"] == 1


def test_a_change_can_be_taken_back() -> None:
    conf = Settings(task_time_limit=5)
    del conf.task_time_limit
    assert conf.task_time_limit is None
    conf["mine"] = 1
    del conf["mine"]
    assert "mine" not in conf
    conf.update(task_time_limit=5, mine=1)
    assert conf.pop("mine") == 1


# Sources.


def test_what_is_nearer_wins() -> None:
    environ = {"CELERIAC_BROKER_URL": "memory://1", "CELERY_BROKER_URL": "memory://2", "CELERY_RESULT_BACKEND": ""}
    source = {
        "broker_url": "memory://4",
        "task_time_limit": 4,
        "task_soft_time_limit": 4,
        "result_backend": "memory://",
    }
    conf = Settings.from_sources(source, changes={"broker_url": "memory://3", "task_time_limit": 3}, environ=environ)
    conf.add_defaults({"broker_url": "memory://5", "task_soft_time_limit": 5, "task_track_started": True})
    conf.add_defaults({"task_track_started": False})
    assert conf.broker_url == "memory://1"
    assert conf.result_backend == "memory://", "an empty variable says nothing"
    assert conf.task_time_limit == 3
    assert conf.task_soft_time_limit == 4
    assert conf.task_track_started is True
    conf.broker_url = "memory://6"
    assert conf.broker_url == "memory://1", "the environment cannot be undone in code"
    conf.override({"broker_url": "memory://0"})
    assert conf.broker_url == "memory://0", "but by the command line"


def test_the_environments_broker_is_for_reading_and_writing() -> None:
    environ = {"CELERIAC_BROKER_URL": "memory://1", "CELERY_BROKER_READ_URL": "memory://2"}
    conf = Settings.from_sources({"broker_write_url": "memory://3"}, environ=environ)
    assert {conf.broker_url, conf.broker_read_url, conf.broker_write_url} == {"memory://1"}
    del environ["CELERIAC_BROKER_URL"]
    conf = Settings.from_sources({"broker_url": "memory://3"}, environ=environ)
    assert (conf.broker_url, conf.broker_read_url, conf.broker_write_url) == ("memory://3", "memory://2", "memory://3")


def test_every_change_raises_the_revision() -> None:
    conf = Settings()
    seen = [conf.revision]
    for change in (
        lambda: conf.update(task_time_limit=1),
        lambda: conf.load({"task_routes": {"a": "b"}}),
        lambda: conf.__setitem__("mine", 1),
        conf.clear,
    ):
        change()
        seen.append(conf.revision)
    assert seen == sorted(set(seen))
    assert (conf.task_time_limit, conf.task_routes, "mine" in conf) == (None, {"a": "b"}, False)


def test_changes_made_before_a_source_is_read_stay() -> None:
    conf = Settings()
    conf.task_time_limit = 1
    conf.load({"task_time_limit": 2, "task_soft_time_limit": 2})
    assert (conf.task_time_limit, conf.task_soft_time_limit) == (1.0, 2.0)
    conf.load({"task_track_started": True})
    assert conf.task_soft_time_limit is None, "a second source takes the place of the first"


def test_the_namespace_of_django_settings() -> None:
    conf = Settings()
    conf.load(
        {
            "CELERY_TASK_ACKS_LATE": False,
            "CELERY_TASK_RESULT_EXPIRES": 60,  # Celery 3's name
            "BROKER_URL": "memory://",  # Celery 3's name
            "CELERY_FLOWER_USER": "x",
            "DEBUG": True,
            "TIME_ZONE": "Europe/Berlin",
        },
        namespace="CELERY",
    )
    assert conf.task_acks_late is conf.CELERY_TASK_ACKS_LATE is False
    assert conf.result_expires == 60.0
    assert conf.broker_url == "memory://"
    assert conf["flower_user"] == conf["CELERY_FLOWER_USER"] == "x"
    assert "DEBUG" not in conf
    assert conf.timezone == "Europe/Berlin"
    assert conf.deprecated_settings == ("BROKER_URL", "CELERY_TASK_RESULT_EXPIRES")
    conf.CELERY_TASK_ALWAYS_EAGER = True
    assert conf.task_always_eager is True


def test_a_name_of_the_namespace_is_no_old_name_though_celery_3_had_it_too() -> None:
    conf = Settings()
    conf.load({"CELERY_TIMEZONE": "UTC", "CELERY_ACCEPT_CONTENT": ["json"]}, namespace="CELERY")
    assert conf.deprecated_settings == ()


def test_the_namespaces_own_name_wins_over_the_old_one() -> None:
    conf = Settings()
    conf.load({"BROKER_URL": "memory://old", "CELERY_BROKER_URL": "memory://new"}, namespace="CELERY")
    assert conf.broker_url == "memory://new"


def test_a_zone_of_its_own_wins_over_djangos() -> None:
    conf = Settings()
    conf.load({"TIME_ZONE": "Europe/Berlin", "CELERY_TIMEZONE": "UTC"}, namespace="CELERY")
    assert conf.timezone == "UTC"


def test_a_slip_in_a_source_is_warned_of_and_a_foreign_key_is_not() -> None:
    conf = Settings()
    with pytest.warns(CeleryWarning, match="no setting CELERY_TASK_ACKS_LAT: did you mean task_acks_late"):
        conf.load({"CELERY_TASK_ACKS_LAT": True, "CELERY_TASK_TIME_LIMIT": 5}, namespace="CELERY")
    assert conf.task_time_limit == 5.0
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        conf.load({"CELERY_FLOWER_USER": 1, "CELERY_SINGLETON_BACKEND_URL": 2}, namespace="CELERY")
    with pytest.warns(CeleryWarning, match='pass namespace="CELERY"'):
        conf.load({"CELERY_TASK_ACKS_LATE": True})


def test_a_namespace_of_ours_refuses_what_is_no_setting() -> None:
    conf = Settings()
    with pytest.raises(ImproperlyConfigured, match="no setting CELERIAC_COLOUR"):
        conf.load({"CELERIAC_COLOUR": 1}, namespace="CELERIAC", unknown="refuse")
    assert conf.changes() == {}


def test_a_mixture_of_old_and_new_names_is_refused() -> None:
    with pytest.raises(ImproperlyConfigured, match=r"mix .*: write accept_content for CELERY_ACCEPT_CONTENT\.$"):
        Settings().load({"CELERY_ACCEPT_CONTENT": ["json"], "task_time_limit": 5})
    conf = Settings()
    conf.load({"CELERY_ACCEPT_CONTENT": ["yaml"], "accept_content": ["json"], "mine": 1})
    assert conf.accept_content == ["json"], "both for one setting is no mixture"


def test_old_names_alone_are_read() -> None:
    conf = Settings()
    conf.load({"CELERY_ACKS_LATE": False, "CELERYD_CONCURRENCY": 3, "BROKER_URL": "memory://"})
    assert (conf.task_acks_late, conf.worker_concurrency, conf.broker_url) == (False, 3, "memory://")


def test_an_error_names_the_key_as_it_is_written() -> None:
    with pytest.raises(ImproperlyConfigured, match="The setting CELERY_TASK_TIME_LIMIT must be"):
        Settings().load({"CELERY_TASK_TIME_LIMIT": "x"}, namespace="CELERY")


# Showing and copying.


def test_changes_are_what_anybody_has_set() -> None:
    conf = Settings(task_time_limit=5, mine=1)
    conf.beat_schedule["a"] = {"task": "t"}
    assert (
        conf.changes()
        == conf.without_defaults()
        == {"task_time_limit": 5.0, "mine": 1, "beat_schedule": conf.beat_schedule}
    )
    assert conf.value_set_for("CELERYD_TASK_TIME_LIMIT")
    assert not conf.value_set_for("task_soft_time_limit")


def test_secrets_are_not_shown() -> None:
    conf = Settings(
        broker_url="amqp://me:hush@h//;amqp://you:hush@i//",
        redis_password="hush",
        broker_transport_options={"sentinel_kwargs": {"password": "hush"}, "global_keyprefix": "seen"},
        result_backend="redis://:hush@h/0?password=hush",
        my_api_key="hush",
        task_default_routing_key="seen",
    )
    text = conf.humanize()
    assert "hush" not in text
    assert text.count("seen") == 2
    assert "hush" in conf.humanize(censored=False)
    assert "amqp://me:" + MASK + "@h//" in text
    assert "task_acks_late: True" in conf.humanize(with_defaults=True).splitlines()


@given(
    st.text(st.characters(exclude_characters="@/?#;", codec="utf-8"), min_size=1).filter(lambda text: text not in MASK)
)
def test_no_password_is_left_in_a_shown_url(password: str) -> None:
    assert censor_url(f"redis://user:{password}@host:6379/0") == f"redis://user:{MASK}@host:6379/0"


def test_plain_settings_can_be_written_as_json_and_read_again() -> None:
    conf = Settings(
        task_queues=[Queue("a")],
        task_routes=lambda *_: None,
        timezone=ZoneInfo("Europe/Berlin"),
        imports=("a", "b"),
        task_time_limit=5,
        mine={1: 2},
    )
    plain = json.loads(json.dumps(conf.plain(), allow_nan=False))
    assert not {"task_queues", "task_routes", "mine"} & set(plain)
    assert plain["timezone"] == "Europe/Berlin"
    again = Settings(plain)
    assert again.task_time_limit == 5.0
    assert again.result_backend_max_retries == float("inf")
    assert set(SETTINGS) - set(plain) == {"task_queues", "task_routes", "result_backend_max_retries"}


def test_a_copy_changes_on_its_own() -> None:
    conf = Settings(task_time_limit=5, mine=1)
    twin = copy.copy(conf)
    assert twin == conf
    twin.task_time_limit = 6
    twin.beat_schedule["a"] = {}
    assert (conf.task_time_limit, conf.beat_schedule) == (5.0, {})


def test_settings_can_be_pickled() -> None:
    conf = Settings.from_sources(
        {"CELERY_TASK_TIME_LIMIT": 5},
        namespace="CELERY",
        changes={"mine": 1},
        environ={"CELERY_BROKER_URL": "memory://"},
    )
    again = pickle.loads(pickle.dumps(conf))
    assert dict(again) == dict(conf)
    again.broker_url = "memory://other"
    assert again.broker_url == "memory://", "the layers come along"


def test_options_are_found_by_their_last_words() -> None:
    found = Settings().find_option("disable_rate_limits")
    assert (found.namespace, found.key, found.type.default) == ("worker", "disable_rate_limits", False)
    assert Settings().find_option("serializer", "event").type.name == "event_serializer"
    with pytest.raises(KeyError):
        Settings().find_option("nonsense")
