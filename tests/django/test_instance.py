"""What one demo occupies, another may not have."""

from pathlib import Path

import pytest

import instance


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
