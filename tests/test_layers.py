"""Imports point downwards, form no circle and hide in no function; and these tests can fail."""

from pathlib import Path

import pytest

from tests.import_graph import Rules, read_tree, violations

SOURCE = Path(__file__).parents[1] / "src"

CELERIAC = Rules(
    package="celeriac",
    layers={
        # What users import: `celeriac.__init__` re-exports layer 4.
        "celeriac": 4,
        # 1 values
        "celeriac.exceptions": 1,
        "celeriac.protocol": 1,
        "celeriac.queues": 1,
        "celeriac.retries": 1,
        "celeriac.routing": 1,
        "celeriac.run_id": 1,
        "celeriac.schedule_entry": 1,
        "celeriac.schedules": 1,
        "celeriac.setting": 1,
        "celeriac.settings": 1,
        "celeriac.settings_display": 1,
        "celeriac.settings_foreign": 1,
        "celeriac.settings_kinds": 1,
        "celeriac.settings_layers": 1,
        "celeriac.settings_names": 1,
        "celeriac.settings_table": 1,
        "celeriac.signals": 1,
        "celeriac.states": 1,
        "celeriac.version": 1,
        # 2 ports
        "celeriac.backends.base": 2,
        "celeriac.brokers.base": 2,
        "celeriac.brokers.remarks": 2,
        "celeriac.clock": 2,
        "celeriac.supervision": 2,
        "celeriac.timetables.base": 2,
        "celeriac.timetables.comparison": 2,
        # 3 engines
        "celeriac.backends": 3,
        "celeriac.brokers": 3,
        "celeriac.engines": 3,
        "celeriac.redis": 3,
        "celeriac.amqp": 3,
        "celeriac.sqlite": 3,
        "celeriac.stand_ins": 3,
        "celeriac.timetables": 3,
        # 4 API
        "celeriac.app": 4,
        "celeriac.async_result": 4,
        "celeriac.call_forms": 4,
        "celeriac.call_options": 4,
        "celeriac.canvas": 4,
        "celeriac.config_loading": 4,
        "celeriac.courier": 4,
        "celeriac.dotted_name": 4,
        "celeriac.eager_result": 4,
        "celeriac.einfo": 4,
        "celeriac.event_loops": 4,
        "celeriac.events": 4,
        "celeriac.execution": 4,
        "celeriac.identifiers": 4,
        "celeriac.local": 4,
        "celeriac.log": 4,
        "celeriac.log_formatters": 4,
        "celeriac.log_streams": 4,
        "celeriac.publication": 4,
        "celeriac.publishing": 4,
        "celeriac.record": 4,
        "celeriac.report": 4,
        "celeriac.request": 4,
        "celeriac.result": 4,
        "celeriac.result_format": 4,
        "celeriac.result_set": 4,
        "celeriac.result_waiter": 4,
        "celeriac.task": 4,
        "celeriac.task_logging": 4,
        "celeriac.user_traceback": 4,
        # 5 runtimes
        "celeriac.beat": 5,
        "celeriac.worker": 5,
        # 6 edges
        "celeriac.__main__": 6,
        "celeriac.checks": 6,
        "celeriac.cli": 6,
        "celeriac.dashboard": 6,
        "celeriac.django": 6,
        "celeriac.testing": 6,
        # 7 compat
        "celeriac.contrib": 7,
        "celeriac.utils": 7,
    },
    apart=(("celeriac.worker", "celeriac.beat"),),
    in_functions={
        ("celeriac.event_loops", "asyncio"): "a third of the time that an import takes, for who has coroutines",
        ("celeriac.redis.connecting", "celeriac.redis.dialing"): "redis-py is large, and most processes never connect",
        ("celeriac.redis.cluster", "redis.crc"): "the same, and only a Cluster has slots",
        ("celeriac.django.testing_environment", "celeriac.django.testing_surroundings"): "no site needs it to serve",
        (
            "celeriac.testing.pytest_plugin",
            "celeriac.django.testing_surroundings",
        ): "needs Django, where there is a site",
        ("celeriac.schedules.solar_schedule", "ephem"): "optional, for schedules by the sun",
        ("celeriac.worker.reload", "watchfiles"): "optional, for development",
        ("celeriac.django.foreign_tasks", "celeriac.django.task_class"): "Django's task framework is there or not",
    },
    by_name={
        "celeriac.cli.command_line": "commands are in a table, and imported when used",
        "celeriac.cli.session": "who finds the app is named by a string, for Django's finder needs Django",
        "celeriac.django": "its names are imported when first used, from a table",
        "celeriac": "the API's names are imported when first used, from a table",
        "celeriac.app.finding": "the command line names the app",
        "celeriac.app.tasks": "settings and Django's apps name the modules that hold tasks",
        "celeriac.engines": "an engine is imported when its URL is used",
        "celeriac.timetables.choice": "a timetable's engine is imported when its store is used",
        "celeriac.dotted_name": "settings, routers and classes are given by name",
        "celeriac.protocol.compression": "optional libraries, at first use",
        "celeriac.protocol.serialization": "optional libraries, at first use",
        "celeriac.supervision.bootstrap": "a child is told what to run by name",
        "celeriac.supervision.succession": "a process is told what takes its place by name",
        "celeriac.supervision.preloading": "the user says what to preload",
        "celeriac.worker.loading": "the command line passes in who finds the app, and the user's modules are data",
    },
    libraries={
        "msgspec": ("celeriac",),
        "click": ("celeriac.cli",),
        "rich": ("celeriac.cli",),
        "pytest": ("celeriac.testing.pytest_plugin",),
        "watchfiles": ("celeriac.worker.reload",),
        "ephem": ("celeriac.schedules.solar_schedule",),
        "redis": ("celeriac.redis", "celeriac.brokers.redis", "celeriac.backends.redis"),
        "hiredis": ("celeriac.redis",),
        "django": ("celeriac.django",),
        # Django's task framework for the releases that have none of their own.
        "django_tasks": ("celeriac.django",),
        # Django's own way between threads and coroutines, always there with it.
        "asgiref": ("celeriac.django",),
    },
    impure=frozenset(
        {
            "asyncio",
            "concurrent",
            "ctypes",
            "fcntl",
            "io",
            "mmap",
            "multiprocessing",
            "pathlib",
            "select",
            "selectors",
            "shutil",
            "signal",
            "socket",
            "sqlite3",
            "ssl",
            "subprocess",
            "tempfile",
            "threading",
            "time",
            "urllib",
        }
    ),
    impure_all_the_same={
        ("celeriac.signals", "threading"): "receivers are connected from any thread; the lock is held for a moment",
        ("celeriac.signals", "time"): "a receiver connected with retry=True is tried again after a pause, as in Celery",
    },
)


def test_celeriac_keeps_its_layers() -> None:
    broken = violations(read_tree(SOURCE), CELERIAC)
    assert broken == [], "\n" + "\n".join(broken)


# The test of the test: small trees, each with one thing wrong.

SMALL = Rules(
    package="tree",
    layers={"tree": 2, "tree.values": 1, "tree.engine": 2, "tree.worker": 3, "tree.beat": 3},
    apart=(("tree.worker", "tree.beat"),),
    libraries={"click": ("tree.worker",)},
    impure=frozenset({"socket", "time"}),
)


def broken_rules(directory: Path, rules: Rules = SMALL, **sources: str) -> list[str]:
    """Write the modules and return what is wrong with them."""
    package = directory / "tree"
    package.mkdir()
    (package / "__init__.py").write_text("")
    for name, source in sources.items():
        (package / f"{name}.py").write_text(source)
    return violations(read_tree(directory), rules)


def test_downward_imports_are_right(tmp_path: Path) -> None:
    assert (
        broken_rules(
            tmp_path,
            values="import enum\nfrom dataclasses import dataclass\n",
            engine="import socket\nfrom tree import values\n",
            worker="import click\nfrom tree.engine import connect\nfrom tree.values import X\n",
        )
        == []
    )


@pytest.mark.parametrize(
    "statement", ["import tree.engine", "from tree import engine", "from tree.engine import connect"]
)
def test_an_upward_import_is_found_however_it_is_written(tmp_path: Path, statement: str) -> None:
    [sentence] = broken_rules(tmp_path, values=f"\n{statement}\n", engine="")
    assert "tree.values:2 (layer 1) imports tree.engine (layer 2), which is above it" in sentence


def test_an_upward_import_for_types_only_is_allowed(tmp_path: Path) -> None:
    source = "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from tree.engine import Engine\n"
    assert broken_rules(tmp_path, values=source, engine="") == []


def test_what_stands_beside_type_checking_counts(tmp_path: Path) -> None:
    source = "import typing\nif typing.TYPE_CHECKING:\n    pass\nelse:\n    from tree.engine import Engine\n"
    [sentence] = broken_rules(tmp_path, values=source, engine="")
    assert "which is above it" in sentence


def test_an_upward_import_in_a_class_or_try_block_is_found(tmp_path: Path) -> None:
    source = "class A:\n    try:\n        from tree.engine import b\n    except ImportError:\n        b = None\n"
    [sentence] = broken_rules(tmp_path, values=source, engine="")
    assert "which is above it" in sentence


def test_a_circle_is_found_with_all_who_are_in_it(tmp_path: Path) -> None:
    rules = Rules(package="tree", layers={"tree": 1, "tree.a": 1, "tree.b": 1, "tree.c": 1, "tree.d": 1})
    broken = broken_rules(
        tmp_path, rules, a="import tree.b", b="from tree import c", c="from tree.a import x", d="import tree.a"
    )
    assert broken == ["These modules import each other in a circle: tree.a, tree.b, tree.c."]


def test_a_module_without_a_layer_is_found(tmp_path: Path) -> None:
    assert broken_rules(tmp_path, helpers="") == ["tree.helpers has no layer: give it one in the table."]


def test_an_import_hidden_in_a_function_is_found(tmp_path: Path) -> None:
    [sentence] = broken_rules(tmp_path, values="", engine="def f():\n    from tree.values import X\n")
    assert sentence == "tree.engine:2 hides the import of tree.values: move it to the top of the module."


@pytest.mark.parametrize(
    "source",
    [
        "async def f():\n    import json\n",
        "class A:\n    def f(self):\n        if self:\n            import json\n",
        "import importlib\ndef f():\n    return importlib.import_module('json')\n",
        "def f():\n    return __import__('json')\n",
    ],
)
def test_an_import_hides_nowhere(tmp_path: Path, source: str) -> None:
    [sentence] = broken_rules(tmp_path, engine=source)
    assert "hides the import of json" in sentence


def test_a_hidden_upward_import_is_found_twice(tmp_path: Path) -> None:
    assert len(broken_rules(tmp_path, values="def f():\n    import tree.engine\n", engine="")) == 2


def test_an_import_by_a_name_from_elsewhere_is_found(tmp_path: Path) -> None:
    [sentence] = broken_rules(tmp_path, engine="import importlib\ndef f(name):\n    importlib.import_module(name)\n")
    assert "only the running program knows" in sentence


def test_listed_exceptions_are_allowed(tmp_path: Path) -> None:
    rules = Rules(
        package="tree",
        layers=SMALL.layers,
        in_functions={("tree.engine", "click"): "optional"},
        by_name={"tree.engine": "a table of engines"},
        libraries={"click": ("tree.engine",)},
    )
    source = "from importlib import import_module\ndef f(name):\n    import click\n    import_module(name)\n"
    assert broken_rules(tmp_path, rules, engine=source) == []


def test_an_exception_that_nothing_needs_is_found(tmp_path: Path) -> None:
    rules = Rules(
        package="tree",
        layers=SMALL.layers,
        in_functions={("tree.engine", "click"): "optional"},
        by_name={"tree.engine": "a table of engines"},
    )
    assert broken_rules(tmp_path, rules, engine="") == [
        "tree.engine no longer hides an import of click: strike the exception.",
        "tree.engine no longer imports by name: strike the exception.",
    ]


def test_runtimes_that_import_each_other_are_found(tmp_path: Path) -> None:
    [sentence] = broken_rules(tmp_path, worker="", beat="import tree.worker")
    assert "tree.beat and tree.worker stay apart" in sentence


def test_a_library_outside_its_place_is_found(tmp_path: Path) -> None:
    [sentence] = broken_rules(tmp_path, engine="from click import echo")
    assert sentence == "tree.engine:1 imports click, which belongs in tree.worker only."


def test_an_undecided_library_is_found(tmp_path: Path) -> None:
    [sentence] = broken_rules(tmp_path, engine="import requests")
    assert "requests, a library that nobody has decided on" in sentence


def test_input_output_in_the_lowest_layer_is_found(tmp_path: Path) -> None:
    [sentence] = broken_rules(tmp_path, values="from socket import socket", engine="import socket")
    assert sentence.startswith("tree.values:1 imports socket; the lowest layer is values only")
