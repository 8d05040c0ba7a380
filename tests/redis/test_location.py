"""What a Redis URL says, as redis-py and Celery read it."""

import ssl

import pytest

from celeriac.exceptions import ImproperlyConfigured
from celeriac.redis.location import Address, Kind, Location
from celeriac.redis.results import result_prefix


def read(url: str, **options: object) -> Location:
    return Location.from_url(url, options)


def test_what_is_left_out_has_the_usual_value() -> None:
    location = read("redis://")
    assert location.addresses == (Address("localhost", 6379),)
    assert (location.database, location.username, location.password, location.key_prefix) == (0, None, None, "")
    assert (location.protocol, location.is_encrypted) == (3, False)


def test_user_and_password_are_read_and_shown_to_nobody() -> None:
    location = read("redis://us%65r:pass%40word@host:7000/3")
    assert (location.username, location.password) == ("user", "pass@word")
    assert location.url == "redis://host:7000/3"
    assert "pass" not in repr(location)


@pytest.mark.parametrize(
    ("url", "kind", "shown"),
    [
        ("redis://host", Kind.SERVER, "redis://host:6379"),
        ("rediss://host/1", Kind.SERVER, "rediss://host:6379/1"),
        ("valkey://host", Kind.SERVER, "redis://host:6379"),
        ("valkeys://[::1]:7000", Kind.SERVER, "rediss://[::1]:7000"),
        ("redis://a;redis://b:1", Kind.SERVER, "redis://a:6379;redis://b:1"),
        ("redis+socket:///run/redis.sock", Kind.SOCKET, "redis+socket:///run/redis.sock"),
        ("redis+socket:///run/redis.sock?virtual_host=2", Kind.SOCKET, "redis+socket:///run/redis.sock?virtual_host=2"),
        ("sentinel://a;sentinel://b:1/2", Kind.SENTINEL, "sentinel://a:26379;sentinel://b:1/2?master_name=m"),
        ("redis+cluster://a:1,b:2", Kind.CLUSTER, "redis+cluster://a:1;redis+cluster://b:2"),
        ("valkeys+cluster://a:1", Kind.CLUSTER, "rediss+cluster://a:1"),
    ],
)
def test_every_kind_of_url_is_read(url: str, kind: Kind, shown: str) -> None:
    location = read(url, master_name="m")
    assert (location.kind, location.url) == (kind, shown)
    assert read(location.url, master_name="m") == location


def test_options_come_from_the_settings_and_the_url_wins() -> None:
    options = {
        "global_keyprefix": "mine-",
        "socket_timeout": 3,
        "socket_connect_timeout": 2.0,
        "connect_timeout": 4.0,
        "client_name": "shop",
        "visibility_timeout": 3600,
    }
    location = read("redis://host?socket_timeout=1.5&protocol=2", **options)
    assert (location.key_prefix, location.timeout, location.connect_timeout, location.protocol) == ("mine-", 1.5, 2, 2)
    assert location.connection_options == {"client_name": "shop"}


def test_an_engine_reads_options_of_its_own() -> None:
    location = Location.from_url(
        "redis://host?sep=x", {"sep": "y", "fanout_prefix": False}, extras=("sep", "fanout_prefix")
    )
    assert location.extras == {"sep": "x", "fanout_prefix": False}


def test_the_database_of_the_settings_counts_only_where_the_url_says_nothing() -> None:
    assert read("redis://", db=3).database == 3
    assert read("redis://host", db=3).database == 0
    assert read("redis://host?db=4", db=3).database == 4
    assert read("redis+socket:///run/redis.sock", db=3).database == 3


def test_a_prefix_of_results_is_parted_from_the_rest_as_celery_does_it() -> None:
    assert [result_prefix(prefix) for prefix in ("", "shop", "shop:", "shop_", "shop-", "shop.")] == [
        *("", "shop_", "shop:", "shop_", "shop-", "shop."),
    ]


def test_certificates_are_named_as_celery_and_redis_py_name_them() -> None:
    for value in ("CERT_NONE", "none", ssl.CERT_NONE, None):
        location = read("redis://host", ssl={"ssl_cert_reqs": value, "ssl_ca_certs": "/ca.pem"})
        assert location.is_encrypted
        assert location.connection_options == {"ssl_cert_reqs": "none", "ssl_ca_certs": "/ca.pem"}
    assert read("rediss://host?ssl_cert_reqs=CERT_REQUIRED").connection_options == {"ssl_cert_reqs": "required"}
    assert read("redis://host", ssl=True).is_encrypted


def test_a_credential_provider_takes_the_place_of_the_password() -> None:
    location = read("redis://user:pass@host", credential_provider=f"{__name__}.Provider")
    assert isinstance(location.connection_options["credential_provider"], Provider)
    assert (location.username, location.password) == (None, None)


class Provider:
    def get_credentials(self) -> tuple[str, str]:
        return "user", "fresh"


def test_locations_on_one_server_are_known_to_be() -> None:
    assert read("redis://localhost/1").server == read("valkey://127.0.0.1:6379/2").server
    assert read("redis://localhost:1").server != read("redis://localhost:2").server
    options = {"master_name": "m"}
    assert read("sentinel://a;sentinel://b", **options).server == read("sentinel://b;sentinel://a/3", **options).server


@pytest.mark.parametrize(
    ("url", "sentence"),
    [
        ("redis://host?socket_timeot=3", r"unknown option 'socket_timeot'. Did you mean 'socket_timeout'\?"),
        ("redis://host?socket_timeout=soon", "option socket_timeout cannot be 'soon'"),
        ("redis://host?socket_timeout=-1", "must not be negative"),
        ("redis://host?protocol=4", "it must be 2 or 3"),
        ("redis://host?ssl_cert_reqs=none", "is for TLS: write rediss://"),
        ("rediss://host?ssl_cert_reqs=maybe", "it must be required, optional or none"),
        ("redis://host/first", "'first' is no database"),
        ("redis://host/-1", "'-1' is no database"),
        ("redis://host:port", "is no number from 0 to 65535"),
        ("redis+cluster://host/1", "has no database 1"),
        ("sentinel://host", "set master_name"),
        ("redis://host?credential_provider=nothing.there", "option credential_provider cannot be 'nothing.there'"),
    ],
)
def test_what_cannot_be_is_said_in_a_sentence(url: str, sentence: str) -> None:
    with pytest.raises(ImproperlyConfigured, match=sentence):
        read(url)
