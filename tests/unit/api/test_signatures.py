"""Signatures: calls that are not sent yet."""

import json
import pickle
from typing import Any

import pytest

from celeriac import Celeriac, Signature, maybe_signature, signature
from tests.unit.api.bench import Bench


@pytest.fixture
def add(app: Celeriac) -> Any:
    @app.task(name="demo.add")
    def add(x: int, y: int = 0, z: int = 0) -> int:
        return x + y + z

    return add


def test_a_signature_is_a_dict_of_plain_values(add: Any) -> None:
    sig = add.s(1, y=2).set(queue="slow")
    plain = {
        "task": "demo.add",
        "args": (1,),
        "kwargs": {"y": 2},
        "options": {"queue": "slow"},
        "subtask_type": None,
        "immutable": False,
    }
    assert sig == plain
    assert (sig.task, sig.args, sig.kwargs, sig.options, sig.immutable) == (
        "demo.add",
        (1,),
        {"y": 2},
        {"queue": "slow"},
        False,
    )
    assert repr(sig) == "demo.add(1, y=2)"
    back = signature(json.loads(json.dumps(sig)), app=add.app)
    assert back.apply().get() == 3
    assert pickle.loads(pickle.dumps(sig)) == sig


def test_arguments_given_later_come_first_unless_it_is_immutable(add: Any, bench: Bench) -> None:
    assert add.s(2)(1) == 3
    assert add.s(2, z=5).apply((1,), {"z": 6}).get() == 9
    assert add.si(2)(1) == 2
    result = add.s(2).apply_async((1,), priority=3)
    report = bench.run_one()
    assert (report.task_id, report.retval) == (result.id, 3)
    add.s(2).delay(1)
    assert bench.run_one().retval == 3


def test_it_can_be_sent_by_name_alone(app: Celeriac) -> None:
    sig = Signature("far.away", (1,), app=app, queue="elsewhere")
    result = sig.delay()
    assert [message.id for message in app.broker.peek("elsewhere")] == [result.id]


def test_a_clone_changes_nothing_of_the_first(add: Any) -> None:
    first = add.s(1).set(link=[add.s(5)])
    second = first.clone((0,), {"z": 1}, queue="slow")
    second.link(add.s(6))
    assert (second.args, second.kwargs, second.options["queue"]) == ((0, 1), {"z": 1}, "slow")
    assert (first.args, first.kwargs, len(first.options["link"])) == ((1,), {}, 1)
    third = first.replace(args=(9,))
    assert (third.args, first.args) == ((9,), (1,))


def test_freeze_gives_the_id_it_will_have(add: Any) -> None:
    sig = add.s(1)
    result = sig.freeze()
    assert sig.id == result.id == sig.freeze().id
    assert sig.delay().id == result.id


def test_two_signatures_do_not_silently_become_one(add: Any) -> None:
    with pytest.raises(TypeError, match=r"Chains, as .*add\(1, 2\) \| .*add\(3\), come in a later release"):
        add.s(1, 2) | add.s(3)


def test_links_are_added_once(add: Any) -> None:
    sig = add.s(1)
    sig.link(add.s(2))
    sig.link(add.s(2))
    assert sig.on_error(add.s(3)) is sig
    assert len(sig.options["link"]) == len(sig.options["link_error"]) == 1
    assert sig.flatten_links() == [sig, add.s(2)]


def test_maybe_signature_takes_what_there_is(add: Any) -> None:
    sig = add.s(1)
    assert maybe_signature(None) is None
    assert maybe_signature(sig) is sig
    made = maybe_signature({"task": "demo.add", "args": [1]}, app=add.app)
    assert isinstance(made, Signature)
    assert made.type is add
    assert isinstance(signature("demo.add", (1,)), Signature)


def test_canvas_types_can_register_themselves() -> None:
    @Signature.register_type("special")
    class Special(Signature[Any]):
        @classmethod
        def from_dict(cls, d: Any, app: Any = None) -> "Special":
            return cls(d, app=app)

    try:
        assert type(Signature.from_dict({"task": "x", "subtask_type": "special"})) is Special
    finally:
        del Signature.TYPES["special"]
