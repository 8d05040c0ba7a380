"""Exceptions become plain values and come back, and nothing but an exception ever does."""

import sys
import types
from typing import Any

import pytest

from celeriac import exceptions
from celeriac.exceptions import DecodeError, SecurityError
from celeriac.protocol import serialization
from celeriac.protocol.exception_value import exception_to_value, value_to_exception


class PlainError(ValueError):
    pass


class TwoArgumentsError(ValueError):
    def __init__(self, code: int, detail: str) -> None:
        super().__init__(f"{code}: {detail}")
        self.code = code


class NeedsItsInitError(Exception):
    def __init__(self, code: int, detail: str) -> None:
        super().__init__(detail)
        self.code = code

    def __str__(self) -> str:
        return f"{self.code}"


class Outer:
    class InnerError(Exception):
        pass


def there_and_back(exc: BaseException, serializer: str = "json") -> BaseException:
    encoded = serialization.dumps(exception_to_value(exc, serializer), serializer)
    back = value_to_exception(serialization.loads(encoded.data, *encoded[:2], {serializer}))
    assert back is not None
    return back


@pytest.fixture(autouse=True)
def importable(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tests are collected without being importable by name; users' modules are."""
    monkeypatch.setitem(sys.modules, __name__, types.SimpleNamespace(**globals()))  # type: ignore[arg-type]


@pytest.mark.parametrize("serializer", ["json", "msgpack", "yaml"])
@pytest.mark.parametrize(
    "exc", [PlainError("x", 1), KeyError("k"), Outer.InnerError("x"), OSError(2, "no"), ValueError()]
)
def test_a_loaded_class_comes_back_with_its_arguments(exc: BaseException, serializer: str) -> None:
    back = there_and_back(exc, serializer)
    assert type(back) is type(exc)
    assert back.args == exc.args


def test_pickle_carries_the_exception_itself() -> None:
    exc = KeyError("k", {1})
    assert exception_to_value(exc, "pickle") is exc
    assert there_and_back(exc, "pickle").args == ("k", {1})


def test_an_exception_that_does_not_survive_pickle_is_carried_by_its_name() -> None:
    back = there_and_back(TwoArgumentsError(1, "x"), "pickle")
    assert type(back) is TwoArgumentsError
    assert back.args == ("1: x",)


def test_an_exception_that_passes_on_other_arguments_keeps_its_class() -> None:
    back = there_and_back(TwoArgumentsError(1, "x"))
    assert type(back) is TwoArgumentsError
    assert str(back) == "1: x"


def test_an_exception_that_cannot_do_without_its_init_becomes_a_description() -> None:
    back = there_and_back(NeedsItsInitError(1, "x"))
    assert type(back) is Exception
    assert "NeedsItsInitError" in str(back)
    assert "['x']" in str(back)


def test_a_class_that_is_not_there_is_made_anew_and_only_once() -> None:
    value = {"exc_type": "PaymentRefused", "exc_message": ["card", 7], "exc_module": "shop.errors"}
    first, second = value_to_exception(value), value_to_exception(value)
    assert type(first) is type(second)
    assert (type(first).__name__, type(first).__module__) == ("PaymentRefused", "shop.errors")
    assert isinstance(first, Exception)
    assert first.args == ("card", 7)
    assert exception_to_value(first) == {**value, "exc_message": ("card", 7)}


def test_a_local_class_is_made_anew() -> None:
    class LocalError(Exception):
        pass

    back = there_and_back(LocalError("gone"))
    assert type(back).__name__.endswith("<locals>.LocalError")
    assert back.args == ("gone",)


def test_without_a_module_a_class_is_made_too() -> None:
    back = value_to_exception({"exc_type": "KeyError", "exc_message": "x"})
    assert type(back) is not KeyError
    assert repr(back) == "KeyError('x')"


def test_nothing_is_imported_for_a_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "wave", raising=False)
    back = value_to_exception({"exc_type": "Error", "exc_message": [], "exc_module": "wave"})
    assert type(back).__name__ == "Error"
    assert "wave" not in sys.modules


def test_a_modules_own_code_is_not_run_for_a_name(monkeypatch: pytest.MonkeyPatch) -> None:
    module = types.ModuleType("lazy")

    def run(name: str) -> Any:
        raise AssertionError(f"ran for {name}")

    monkeypatch.setattr(module, "__getattr__", run, raising=False)
    monkeypatch.setitem(sys.modules, "lazy", module)
    assert type(value_to_exception({"exc_type": "AnError", "exc_module": "lazy"})).__name__ == "AnError"


@pytest.mark.parametrize(
    ("module", "name"),
    [("os", "system"), ("builtins", "eval"), ("builtins", "dict"), ("builtins", "type"), ("sys", "path")],
)
def test_what_is_no_exception_class_is_refused(module: str, name: str) -> None:
    with pytest.raises(SecurityError, match=f"names {module}.{name}, which is no exception class"):
        value_to_exception({"exc_type": name, "exc_module": module, "exc_message": ["touch /tmp/x"]})


def test_the_attributes_of_what_is_no_class_are_not_looked_at() -> None:
    back = value_to_exception({"exc_type": "environ.get", "exc_module": "os", "exc_message": ["HOME"]})
    assert type(back).__name__ == "environ.get"


@pytest.mark.parametrize("value", [None, {}, [], ""])
def test_no_value_is_no_exception(value: Any) -> None:
    assert value_to_exception(value) is None


@pytest.mark.parametrize(
    "value", [7, "text", ["x"], {"exc_message": "x"}, {"exc_type": 3}, {"exc_type": "A", "exc_module": 3}]
)
def test_another_form_is_refused(value: Any) -> None:
    with pytest.raises(DecodeError, match=r"stored as a dict|does not say its type"):
        value_to_exception(value)


def test_arguments_without_a_json_form_become_text() -> None:
    class Broken:
        def __repr__(self) -> str:
            raise ZeroDivisionError

    value = exception_to_value(ValueError("x", {1}, Broken()))
    assert value["exc_message"][:2] == ("x", "{1}")
    assert "Unrepresentable" in value["exc_message"][2]


@pytest.mark.parametrize("name", exceptions.__all__)
def test_every_exception_of_ours_comes_back_as_itself(name: str) -> None:
    cls = getattr(exceptions, name)
    back = there_and_back(cls("x"))
    assert type(back) is cls


def test_ours_are_written_under_celerys_names_where_celery_has_them() -> None:
    def written(exc: BaseException) -> tuple[str, str]:
        value = exception_to_value(exc)
        return value["exc_module"], value["exc_type"]

    assert written(exceptions.TaskRevokedError("x")) == ("celery.exceptions", "TaskRevokedError")
    assert written(exceptions.WorkerLostError("x")) == ("billiard.exceptions", "WorkerLostError")
    assert written(exceptions.OperationalError("x")) == ("kombu.exceptions", "OperationalError")
    assert written(exceptions.CeleriacError("x")) == ("celery.exceptions", "CeleryError")
    assert written(exceptions.PublishUnconfirmed("x")) == ("celeriac.exceptions", "PublishUnconfirmed")
