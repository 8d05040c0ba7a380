"""From settings to what an engine is told: URLs and one mapping of options."""

import ssl
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from celeriac.app.connections import Connections
from celeriac.app.engine_options import backend_options, broker_options, portable
from celeriac.app.engine_urls import producer_url, results_url, worker_url
from celeriac.engines import broker_from_url
from celeriac.exceptions import ImproperlyConfigured
from celeriac.settings import Settings


def test_the_broker_is_told_what_the_settings_say_of_it() -> None:
    conf = Settings(
        broker_connection_timeout=2,
        broker_publish_timeout=3,
        broker_use_ssl={"cert_reqs": ssl.CERT_REQUIRED},
        broker_heartbeat=None,
        broker_login_method="EXTERNAL",
        task_default_queue_type="quorum",
        task_queue_max_priority=9,
        broker_transport_options={"global_keyprefix": "shop-"},
    )
    assert broker_options(conf) == {
        "connect_timeout": 2,
        "publish_timeout": 3,
        "ssl": {"cert_reqs": ssl.CERT_REQUIRED},
        "heartbeat": 0,
        "login_method": "EXTERNAL",
        "default_queue_type": "quorum",
        "queue_max_priority": 9,
        "delay_queue_type": "quorum",
        "interop": True,
        "pool_limit": 10,
        "global_keyprefix": "shop-",
    }


def test_what_no_setting_says_is_left_out() -> None:
    assert broker_options(Settings()).keys().isdisjoint({"ssl", "login_method", "failover_strategy"})


def test_interop_is_a_setting_and_a_transport_option_which_wins() -> None:
    assert broker_options(Settings(broker_interop=False))["interop"] is False
    assert broker_options(Settings(broker_transport_options={"interop": False}))["interop"] is False


def test_a_redis_result_backend_is_told_the_redis_settings_without_their_prefix() -> None:
    conf = Settings(
        redis_password="s3cret",
        redis_backend_use_ssl={"ssl_cert_reqs": "required"},
        redis_backend_health_check_interval=timedelta(seconds=20),
        redis_max_connections=5,
        result_backend_transport_options={"global_keyprefix": "r-"},
    )
    options = backend_options(conf, "redis://results/0")
    assert options["password"] == "s3cret"
    assert options["ssl"] == {"ssl_cert_reqs": "required"}
    assert options["health_check_interval"] == 20
    assert options["max_connections"] == 5
    assert options["socket_timeout"] == 120
    assert options["connect_timeout"] == 4
    assert options["global_keyprefix"] == "r-"
    assert "interop" not in options


def test_results_sent_by_the_broker_are_told_what_the_broker_is_told() -> None:
    conf = Settings(broker_use_ssl=True, result_persistent=True)
    options = backend_options(conf, "rpc://")
    assert options["ssl"] is True
    assert options["persistent"] is True
    assert options["exchange"] == "celeryresults"


# For the node.


def test_options_reach_the_node_as_plain_values() -> None:
    options = {"ssl": {"cert_reqs": ssl.CERT_REQUIRED, "ca_certs": Path("/etc/ca.pem")}, "socket_keepalive": {4: 60}}
    assert portable(options, "broker_transport_options") == {
        "ssl": {"cert_reqs": 2, "ca_certs": "/etc/ca.pem"},
        "socket_keepalive": {4: 60},
    }


def test_an_object_that_a_connection_needs_is_refused_with_the_cure() -> None:
    with pytest.raises(
        ImproperlyConfigured,
        match=r"option ssl of broker_use_ssl holds an object of the type SSLContext.*dotted",
    ):
        portable({"ssl": {"context": ssl.create_default_context()}}, "broker_transport_options")


def test_a_function_for_the_order_of_servers_stays_with_the_producers() -> None:
    assert portable({"failover_strategy": sorted, "heartbeat": 4}, "broker_transport_options") == {"heartbeat": 4}


# URLs.


def test_several_urls_are_one_text() -> None:
    several = "amqp://a//;amqp://b//"
    assert producer_url(Settings(broker_url=["amqp://a//", "amqp://b//"])) == several
    assert producer_url(Settings(broker_url=several)) == several
    assert producer_url(Settings(broker_url=())) is None
    with pytest.raises(ImproperlyConfigured, match="must hold URLs, not 5"):
        producer_url(Settings(broker_url=["amqp://a//", 5]))


def test_workers_may_take_from_elsewhere_than_others_publish() -> None:
    conf = Settings(broker_url="redis://a/0", broker_read_url="redis://b/0")
    assert (producer_url(conf), worker_url(conf)) == ("redis://a/0", "redis://b/0")
    only = Settings(broker_write_url="redis://c/0")
    assert producer_url(only) == worker_url(only) == "redis://c/0"


@pytest.mark.parametrize(
    ("settings", "url"),
    [
        ({}, "sqlite:////q"),
        ({"broker_url": "redis://a/0"}, None),
        ({"broker_read_url": "redis://a/0"}, None),
        ({"result_backend": "disabled"}, None),
        ({"result_backend": "rpc"}, "rpc://"),
        ({"result_backend": "redis"}, "redis://localhost:6379/0"),
        (
            {"result_backend": "rediss", "redis_host": "::1", "redis_port": 7, "redis_db": 2, "redis_password": "p@s/"},
            "rediss://:p%40s%2F@[::1]:7/2",
        ),
        (
            {"result_backend": "redis://", "redis_username": "me", "redis_password": "x"},
            "redis://me:x@localhost:6379/0",
        ),
        ({"result_backend": "redis://h/3", "redis_host": "other"}, "redis://h/3"),
    ],
)
def test_where_results_are(settings: dict[str, Any], url: str | None) -> None:
    assert results_url(Settings(settings), "sqlite:////q") == url


def test_a_broker_in_parts_needs_no_host() -> None:
    assert producer_url(Settings(broker_transport="redis", broker_vhost="1")) == "redis://localhost/1"
    assert producer_url(Settings(broker_host="fe80::1", broker_port=5672)) == "amqp://[fe80::1]:5672/"


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("sqlite:////a;sqlite:////b", "several URLs, and sqlite:// takes one only"),
        ("memory://a;memory://b", "several URLs, and memory:// takes one only"),
        ("redis://a/0;amqp://b//", r"different kinds \(redis, amqp\)"),
    ],
)
def test_several_urls_are_refused_where_they_make_no_sense(url: str, words: str) -> None:
    with pytest.raises(ImproperlyConfigured, match=words):
        broker_from_url(url)


def test_other_options_make_another_broker(tmp_path: Path) -> None:
    conf = Settings(broker_url=f"sqlite:///{tmp_path}/q")
    connections = Connections(lambda: conf, lambda: tmp_path)
    first = connections.broker
    conf.task_time_limit = 5
    assert connections.broker is first
    conf.broker_transport_options = {"synchronous": "full"}
    assert connections.broker.url.endswith("synchronous=full")
