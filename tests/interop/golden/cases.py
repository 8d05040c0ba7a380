"""What is recorded: the same inputs for Celery (``record.py``) and for celeriac (``test_golden_files.py``).

Standard library only, because two interpreters read it. A call has the names of ``TaskCall``'s fields, a document those
of ``ResultDocument``'s; functions in place of exceptions are called with the exceptions module of either side.
"""

import datetime
import decimal
import enum
import uuid
from collections import OrderedDict, namedtuple

UTC = datetime.UTC
NOW = datetime.datetime(2026, 3, 4, 5, 6, 7, 891011, tzinfo=UTC)
WHOLE_SECOND = datetime.datetime(2026, 3, 4, 5, 6, 8, tzinfo=UTC)
ELSEWHERE = datetime.timezone(datetime.timedelta(hours=5, minutes=45))
ORIGIN = "gen4711@celeriac.example"
REPLY_TO = "7b8e1c5e-4ff5-3c0c-9f70-0e0d4c4b6e6d"
ID = "d9f0a2d0-7a0e-4f0b-a7b8-0a9d1b3c4d5e"
OTHER_ID = "11111111-2222-4333-8444-555555555555"


class Colour(enum.Enum):
    """Something without a JSON form of its own."""

    RED = "red"

    def __json__(self):
        return {"colour": self.value}


class Weekday(enum.IntEnum):
    """Written as its number."""

    MONDAY = 1


Point = namedtuple("Point", "x y")


def signature(task, *args, **options):
    """Return a signature as Celery sends it."""
    return {
        "task": task,
        "args": list(args),
        "kwargs": {},
        "options": options,
        "subtask_type": None,
        "immutable": False,
    }


TAGGED = (
    datetime.datetime(2026, 1, 2, 3, 4, 5, 678901),
    datetime.datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC),
    datetime.datetime(2026, 1, 2, 3, 4, 5, 6, tzinfo=ELSEWHERE),
    datetime.date(2026, 1, 2),
    datetime.time(3, 4, 5, 678901),
    datetime.time(3, 4, tzinfo=UTC),
    decimal.Decimal("12.3400"),
    decimal.Decimal("-1E+5"),
    uuid.UUID(ID),
    b"plain bytes",
    "Gr\u00fc\u00dfe".encode(),
    b"\xff\xfe\x00binary",
    b"",
    Colour.RED,
    Weekday.MONDAY,
    Point(1, b"2"),
)
PLAIN = ([1, 2.5, "text", None, True], {"nested": {"list": [1, [2, [3]]]}})
ODD_TEXT = ("quotes \" and ' and \\", "line\nbreak\ttab\x00", "Gr\u00fc\u00dfe \u20ac \U0001f9c5", "</script>")
ODD_NUMBERS = (0, -1, 2**63, -(2**64), 10**30, 1.0, -0.0, 1e-300, 1e22, 0.1)


def call(**fields):
    """Return a call's fields with the usual ones filled in."""
    return {"task": "proj.add", "id": ID, "origin": ORIGIN, "reply_to": REPLY_TO, "args": (2, 3), **fields}


#: name: (fields of the call, how it is sent)
CALLS = {
    "plain": (call(), {}),
    "nothing": (call(args=()), {}),
    "list of arguments": (call(args=[1, "two"]), {}),
    "keyword arguments": (call(args=(), kwargs={"to": "a@example.com", "copies": 2, "gr\u00fc\u00df": None}), {}),
    "nested arguments": (call(args=PLAIN), {}),
    "odd text": (call(args=ODD_TEXT), {}),
    "odd numbers": (call(args=ODD_NUMBERS), {}),
    "tagged types": (call(args=TAGGED, kwargs={"when": NOW}), {}),
    "infinite numbers": (call(args=(float("inf"), float("-inf"))), {}),
    "long arguments": (call(args=("word " * 400, list(range(2000))), kwargs={"key": "x" * 3000}), {}),
    "eta": (call(eta=NOW), {}),
    "eta of a whole second": (call(eta=WHOLE_SECOND), {}),
    "eta in another time zone": (call(eta=NOW.astimezone(ELSEWHERE)), {}),
    "expires": (call(expires=NOW + datetime.timedelta(hours=1)), {}),
    "time limits": (call(timelimit=(30, 20.5)), {}),
    "retries": (call(retries=7, root_id=OTHER_ID, parent_id=OTHER_ID), {}),
    "ignored result": (call(ignore_result=True), {}),
    "shadow": (call(shadow="nicer name"), {}),
    "replaced": (call(replaced_task_nesting=2), {}),
    "group member": (call(group=OTHER_ID, group_index=3), {}),
    "representations": (call(argsrepr="(<secret>)", kwargsrepr="{...}"), {}),
    "headers": (call(headers={"tenant": 7, "trace": {"id": "abc", "flags": [1, 2]}, "none": None}), {}),
    "stamps": (call(stamped_headers=["owner", "batch"], stamps={"owner": ["anna"], "batch": [7, 8]}), {}),
    "callbacks": (call(callbacks=[signature("proj.log"), signature("proj.mail", "x", task_id=OTHER_ID)]), {}),
    "errbacks": (call(errbacks=[signature("proj.alarm")]), {}),
    "chain": (call(chain=[signature("proj.third", task_id=OTHER_ID), signature("proj.second", NOW)]), {}),
    "chord": (call(chord=signature("proj.sum", task_id=OTHER_ID), group=OTHER_ID, group_index=0), {}),
    "json": (call(kwargs={"a": [1, "b"]}), {"serializer": "json"}),
    "pickle": (call(args=TAGGED[:13], kwargs={"s": {1}}), {"serializer": "pickle"}),
    "yaml": (call(args=PLAIN, kwargs={"when": datetime.datetime(2026, 1, 2, 3, 4)}), {"serializer": "yaml"}),
    "msgpack": (call(args=(*PLAIN, b"\xff", "\u20ac"), kwargs={"n": 2**40}), {"serializer": "msgpack"}),
    "zlib": (call(args=("x" * 500,)), {"compression": "zlib"}),
    "gzip": (call(args=("x" * 500,)), {"compression": "gzip"}),
    "bzip2": (call(args=("x" * 500,)), {"compression": "bzip2"}),
    "lzma": (call(args=("x" * 500,)), {"compression": "lzma"}),
    "brotli": (call(args=("x" * 500,)), {"compression": "brotli"}),
    "zstd": (call(args=("x" * 500,)), {"compression": "zstd"}),
    "zstd over pickle, with headers": (
        call(args=("x" * 500,), headers={"tenant": 7}),
        {"compression": "zstd", "serializer": "pickle"},
    ),
    "priority": (call(), {"priority": 6}),
    "transient": (call(), {"delivery_mode": 1}),
}

#: Protocol 1, which celeriac only reads.
OLD_CALLS = {
    "plain": call(kwargs={"a": 1}),
    "tagged types": call(args=TAGGED),
    "everything": call(
        eta=NOW,
        expires=NOW + datetime.timedelta(hours=1),
        retries=3,
        timelimit=(30, 20),
        group=OTHER_ID,
        group_index=1,
        callbacks=[signature("proj.log")],
        errbacks=[signature("proj.alarm")],
        chord=signature("proj.sum"),
    ),
}


class Unpicklable(Exception):
    """Its arguments have no JSON form."""


class TwoArguments(ValueError):
    """Passes on other arguments than it takes."""

    def __init__(self, code, detail):
        super().__init__(f"{code}: {detail}")


class Outer:
    """A place for an exception with a dotted name."""

    class InnerError(Exception):
        """Named Outer.InnerError."""


def local_error():
    """Return an error whose class nobody can import."""

    class LocalError(Exception):
        __module__ = "proj.errors"

    return LocalError("gone")


for _class in (Unpicklable, TwoArguments, Outer, Outer.InnerError):
    _class.__module__ = "proj.errors"

EXTENDED = {
    "name": "proj.add",
    "args": [2, NOW],
    "kwargs": {"z": b"3"},
    "worker": "celery@host",
    "retries": 1,
    "queue": "celery",
}


def document(**fields):
    """Return a document's fields with the usual ones filled in."""
    done = NOW if fields["status"] in {"SUCCESS", "FAILURE", "REVOKED"} else None
    return {"task_id": ID, "date_done": done, "children": [], **fields}


#: name: (fields of the document, how it is stored)
DOCUMENTS = {
    "success": (document(status="SUCCESS", result=5), {}),
    "nothing": (document(status="SUCCESS", result=None), {}),
    "tagged types": (document(status="SUCCESS", result=list(TAGGED)), {}),
    "in a group": (document(status="SUCCESS", result="ok", group_id=OTHER_ID, parent_id=OTHER_ID), {}),
    "children": (
        document(
            status="SUCCESS",
            result=1,
            children=[((OTHER_ID, None), None), ((ID, ((OTHER_ID, None), None)), [((OTHER_ID, None), None)])],
        ),
        {},
    ),
    "extended": (document(status="SUCCESS", result=5, **EXTENDED), {}),
    "extended with stamps": (
        document(status="SUCCESS", result=5, **EXTENDED, stamped_headers=["owner"], stamps={"owner": ["anna"]}),
        {},
    ),
    "started": (document(status="STARTED", result={"pid": 4711, "hostname": "celery@host"}, children=None), {}),
    "progress": (document(status="PROGRESS", result={"current": 3, "total": 10}), {}),
    "failure": (document(status="FAILURE", result=ValueError("no", 3), traceback="Traceback (most recent ...\n"), {}),
    "failure without arguments": (document(status="FAILURE", result=KeyError()), {}),
    "failure with tagged arguments": (document(status="FAILURE", result=ValueError(NOW, b"x", [NOW])), {}),
    "failure with unwritable arguments": (
        document(status="FAILURE", result=Unpicklable("a", complex(1, 2), {"s": {1}}, ...)),
        {},
    ),
    "failure of another module": (document(status="FAILURE", result=decimal.InvalidOperation("x")), {}),
    "failure of a nested class": (document(status="FAILURE", result=Outer.InnerError("x")), {}),
    "failure of a local class": (document(status="FAILURE", result=local_error()), {}),
    "failure with another init": (document(status="FAILURE", result=TwoArguments(1, "x")), {}),
    "failure by exit": (document(status="FAILURE", result=SystemExit(3)), {}),
    "lost": (
        document(status="FAILURE", result=lambda exceptions: exceptions.WorkerLostError("Worker exited"), **EXTENDED),
        {},
    ),
    "over time": (document(status="FAILURE", result=lambda exceptions: exceptions.TimeLimitExceeded(30)), {}),
    "over soft time": (document(status="FAILURE", result=lambda exceptions: exceptions.SoftTimeLimitExceeded()), {}),
    "not registered": (document(status="FAILURE", result=lambda exceptions: exceptions.NotRegistered("proj.x")), {}),
    "too many retries": (
        document(status="FAILURE", result=lambda exceptions: exceptions.MaxRetriesExceededError("Can't retry")),
        {},
    ),
    "retry": (document(status="RETRY", result=ConnectionError("down"), traceback="Traceback\n"), {}),
    "revoked": (document(status="REVOKED", result=lambda exceptions: exceptions.TaskRevokedError("expired")), {}),
    "pickle": (document(status="SUCCESS", result=list(TAGGED[:13])), {"serializer": "pickle"}),
    "pickle failure": (document(status="FAILURE", result=ValueError("no", 3)), {"serializer": "pickle"}),
    "yaml": (document(status="SUCCESS", result={"a": [1, 2.5]}), {"serializer": "yaml"}),
    "msgpack": (document(status="SUCCESS", result={"a": [1, b"\xff"]}), {"serializer": "msgpack"}),
    "msgpack failure": (document(status="FAILURE", result=ValueError("no", b"\xff")), {"serializer": "msgpack"}),
    "compressed": (document(status="SUCCESS", result="x" * 500), {"compression": "zlib"}),
}

CIRCLE = [1]
CIRCLE.append({"again": CIRCLE})
_WORDS = "the quick brown fox jumps over the lazy dog "

#: (value, characters, levels)
REPRESENTATIONS = [
    ((), 1024, 3),
    ((1,), 1024, 3),
    ([], 1024, 3),
    ({}, 1024, 3),
    ((set(), frozenset(), {1}, frozenset({1})), 1024, 3),
    ((1, -2.5, 1j, True, None, Weekday.MONDAY), 1024, 3),
    (ODD_TEXT, 1024, 3),
    (ODD_NUMBERS, 1024, 3),
    (TAGGED[:13], 1024, 3),
    ({"a": {"b": {"c": {"d": 1}}}}, 1024, 3),
    ([[[[]]], ((((),),),), {1: {2: {3: {}}}}], 1024, 3),
    ([[[[]]]], 1024, 1),
    ([[[[[[1]]]]]], 1024, 6),
    ([[[[[[1]]]]]], 1024, 0),
    (Point(1, Point(2, 3)), 1024, 3),
    (OrderedDict(a=1), 1024, 3),
    ({(1, 2): (3, 4), None: 1, 2: b"x"}, 1024, 3),
    (range(10), 1024, 3),
    ([_WORDS * 5], 50, 3),
    ([_WORDS] * 5, 50, 3),
    ((_WORDS, [_WORDS, {"key": _WORDS}], 1), 100, 3),
    ({"key": _WORDS * 5, "second": 1}, 50, 3),
    ({_WORDS * 5: 1, "second": 1}, 50, 3),
    (list(range(1000)), 20, 3),
    (list(range(1000)), 1024, 3),
    ({str(number): [number] for number in range(1000)}, 1024, 3),
    (("x" * 5000,), 1024, 3),
    (("x" * 1021,), 1024, 3),
    (("x" * 1022, 1), 1024, 3),
    (("x" * 1023, 1), 1024, 3),
    (("x" * 1024, [1, [2]]), 1024, 3),
    ((b"x" * 5000, b"\xff" * 5000), 1024, 3),
    ((b"\xff" * 5000,), 1024, 3),
    ([datetime.datetime(2026, 1, 2)] * 100, 200, 3),
    (({"a": [(1, 2, {3})]}, "tail"), 12, 5),
    ("just text", 1024, 3),
    ("just text", 5, 3),
    (12345678, 5, 3),
]
