"""Scripts are files; the server learns their text when it needs it, and may forget it at any time."""

from pathlib import Path

import pytest

from celeriac.redis.errors import RedisRefused, ReplyError
from celeriac.redis.packing import ScriptCall
from celeriac.redis.scripts import load_script
from tests.redis.conftest import MakeConnection
from tests.servers.redis_server import RedisServer


def test_a_script_gets_its_keys_and_arguments(connect: MakeConnection, server: RedisServer, scripts: Path) -> None:
    (scripts / "pair.lua").write_text("-- Return what it is given.\n\nreturn {KEYS[1], ARGV[1], ARGV[2]}\n")
    connection = connect(server.url)
    script = load_script(scripts.name, "pair")
    for _ in range(2):
        assert connection.run(ScriptCall(script, ["key"], [b"\x00", 7])) == [b"key", b"\x00", b"7"]


def test_comments_do_not_travel(scripts: Path) -> None:
    (scripts / "short.lua").write_text("-- What it does.\n--\n\n  return 1 -- why\n")
    assert load_script(scripts.name, "short").text == b"return 1 -- why"


def test_a_shared_piece_is_put_where_it_is_named(scripts: Path) -> None:
    (scripts / "settle.lua").write_text("-- include store_result\nreturn store_result(KEYS[1])\n")
    text = load_script(scripts.name, "settle").text
    assert b"local function store_result(" in text
    assert text.endswith(b"return store_result(KEYS[1])")


def test_a_server_that_has_forgotten_its_scripts_is_told_again(
    connect: MakeConnection, server: RedisServer, scripts: Path
) -> None:
    (scripts / "count.lua").write_text("return redis.call('INCR', KEYS[1])\n")
    connection = connect(server.url)
    call = ScriptCall(load_script(scripts.name, "count"), ["scripted"])
    connection.call("DEL", "scripted")
    assert connection.run(call) == 1
    server.ask("SCRIPT", "FLUSH")
    assert connection.run(call) == 2
    server.ask("SCRIPT", "FLUSH")
    assert connection.pipeline([("GET", "scripted"), call, call]) == [b"2", 3, 4]
    server.restart()
    assert connection.run(call) == 5


def test_what_goes_wrong_in_a_script_is_told_as_any_error(
    connect: MakeConnection, server: RedisServer, scripts: Path
) -> None:
    (scripts / "wrong.lua").write_text("return redis.call('LPUSH', KEYS[1], 'x')\n")
    connection = connect(server.url)
    connection.call("SET", "text", "x")
    call = ScriptCall(load_script(scripts.name, "wrong"), ["text"])
    with pytest.raises(RedisRefused, match="WRONGTYPE"):
        connection.run(call)
    [answer] = connection.pipeline([call])
    assert isinstance(answer, ReplyError)
