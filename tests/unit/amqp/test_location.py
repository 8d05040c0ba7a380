"""URLs of RabbitMQ: what they say, what they leave out, and what is wrong with them."""

import itertools

import pytest

from celeriac.amqp.location import Location
from celeriac.exceptions import ImproperlyConfigured


def server(url: str, **options):
    return Location.from_url(url, options).servers[0]


@pytest.mark.parametrize(
    ("url", "vhost"),
    [
        ("amqp://host", "/"),
        ("amqp://host/", "/"),
        ("amqp://host//", "/"),
        ("amqp://host/%2F", "/"),
        ("amqp://host/shop", "shop"),
        ("amqp://host/a%2Fb", "a/b"),
    ],
)
def test_the_end_of_the_url_is_the_virtual_host(url, vhost):
    assert server(url).vhost == vhost


def test_what_is_not_said_is_as_rabbitmq_is_after_its_installation():
    found = server("pyamqp://")
    assert (found.host, found.port, found.user, found.password) == ("localhost", 5672, "guest", "guest")
    assert server("amqps://host").port == 5671
    assert server("amqp://host", ssl={"cert_reqs": "none"}).port == 5671
    assert server("amqp://[::1]:5000").address == "[::1]:5000"


def test_users_and_passwords_may_hold_any_character():
    found = server("amqp://us%40er:p%2Fw%3A%23@host")
    assert (found.user, found.password) == ("us@er", "p/w:#")


def test_no_password_is_shown():
    location = Location.from_url("amqp://user:secret@one;amqps://user:secret@two/shop", {})
    assert location.url == "amqp://user@one:5672//;amqps://user@two:5671/shop"
    assert "secret" not in repr(location)


def test_several_servers_are_tried_in_turn_or_shuffled():
    urls = "amqp://a;amqp://b;amqp://c"
    in_turn = itertools.islice(Location.from_url(urls, {}).in_turn(), 4)
    assert [server.host for server in in_turn] == ["a", "b", "c", "a"]
    shuffled = itertools.islice(Location.from_url(urls, {"failover_strategy": "shuffle"}).in_turn(), 3)
    assert sorted(server.host for server in shuffled) == ["a", "b", "c"]
    backwards = Location.from_url(urls, {"failover_strategy": lambda servers: iter(servers[::-1])}).in_turn()
    assert next(backwards).host == "c"


@pytest.mark.parametrize(
    ("url", "options", "words"),
    [
        ("amqp://user:pa/ss@host", {}, "must be written as %2F"),
        ("amqp://host?heartbeet=3", {}, "Did you mean 'heartbeat'"),
        ("redis://host", {}, "none of amqp://"),
        (";", {}, "names no server"),
        ("amqp://host", {"heartbeat": "often"}, "heartbeat must be a number of seconds"),
        ("amqp://host", {"login_method": "MAGIC"}, "PLAIN, EXTERNAL"),
        ("amqp://host", {"failover_strategy": "prayer"}, "round-robin, shuffle"),
        ("amqp://host", {"ssl": {"keyfiel": "x"}}, "unknown option 'keyfiel'"),
        ("amqp://host", {"ssl": {"ca_certs": "/nowhere.pem"}}, "cannot be used"),
        ("amqp://host", {"ssl": {"cert_reqs": "perhaps"}}, "'required' or 'none'"),
        ("amqp://host", {"ssl": ["x"]}, "True or a dict"),
    ],
)
def test_what_is_wrong_is_explained(url, options, words):
    with pytest.raises(ImproperlyConfigured, match=words) as caught:
        Location.from_url(url, options)
    assert "pa/ss" not in str(caught.value)
