"""What one demo occupies, another may not have."""

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

import instance
from tests.django.postoffice import free_port


@pytest.fixture
def port_in_use() -> Iterator[int]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield listener.getsockname()[1]


def choose(*, asked: int | None = None, default: int = 8000, avoid: set[int] | None = None) -> instance.PortChoice:
    return instance.choose_port(option="--port", asked=asked, default=default, host="127.0.0.1", avoid=avoid or set())


def test_a_free_port_is_taken_as_it_is() -> None:
    port = free_port()
    assert choose(asked=port) == (port, None)


def test_another_port_is_used_when_the_usual_one_is_taken(port_in_use: int) -> None:
    choice = choose(default=port_in_use)
    assert choice.port > port_in_use
    assert choice.instead_of == port_in_use


def test_a_port_asked_for_and_taken_is_an_error_with_a_proposal(port_in_use: int) -> None:
    with pytest.raises(instance.DemoError, match=rf"Port {port_in_use} is in use .*; --port \d+ would do\.$"):
        choose(asked=port_in_use)


def test_a_port_to_avoid_counts_as_taken() -> None:
    port = free_port()
    assert choose(default=port, avoid={port}).port != port


def test_an_address_that_this_machine_has_not_is_said() -> None:
    with pytest.raises(instance.DemoError, match=r"can't listen on 203\.0\.113\.1"):
        instance.choose_port(option="--port", asked=None, default=8000, host="203.0.113.1")


def test_two_demos_have_a_directory_each(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(instance, "VAR", tmp_path / "var")
    with instance.claim_directory(None) as first:
        with instance.claim_directory(None) as second:
            assert (first, second) == (tmp_path / "var", tmp_path / "var" / "2")
        with instance.claim_directory(None) as third:
            assert third == second
    with instance.claim_directory(None) as again:
        assert again == first


def test_a_directory_asked_for_and_taken_is_an_error(tmp_path: Path) -> None:
    with (
        instance.claim_directory(tmp_path),
        pytest.raises(instance.DemoError, match="Another demo is running in"),
        instance.claim_directory(tmp_path),
    ):
        pass


def test_a_directory_that_cannot_be_made_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with (
        pytest.raises(instance.DemoError, match="can't be used: Not a directory"),
        instance.claim_directory(tmp_path / "file" / "below"),
    ):
        pass
