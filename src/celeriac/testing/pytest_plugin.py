"""Fixtures for pytest.

``celeriac_tasks`` records what the test publishes; asking for it is enough anywhere. Every test records, asked or not,

* in a Django project whose tests pytest-django runs (``DJANGO_SETTINGS_MODULE``) and which has ``celeriac.django``
  among its apps, because there it is known that publishing belongs to the code under test;
* where ``celeriac_test_broker = record`` is in pytest's configuration, or ``CELERIAC_TEST_BROKER=record`` in the
  environment; with ``real`` in its place nowhere.

In any other project that has celeriac installed nothing changes.
"""

import os
import sys
from collections.abc import Iterator
from importlib import import_module
from typing import Any, Literal

import pytest

from celeriac.stand_ins import look_for_stand_ins
from celeriac.testing.recorder import TaskRecorder
from celeriac.testing.recording import begin_background, real_brokers, record_tasks
from celeriac.testing.surroundings import Surroundings

_CHOICES = ("auto", "record", "real")
_MARKER = (
    "celeriac(real_broker=False, on_commit='tasks'): the test publishes to a real broker; whose commit hooks run "
    "inside a test's transaction, those of 'tasks' or 'all'"
)


def pytest_addoption(parser: pytest.Parser) -> None:
    """Declare what can be configured."""
    parser.addini(
        "celeriac_test_broker", "where tests publish to unless they say otherwise: auto, record or real", default="auto"
    )
    parser.addini(
        "celeriac_on_commit", "whose commit hooks run inside a test's transaction: tasks or all", default="tasks"
    )


@pytest.hookimpl(trylast=True)  # pytest-django has set up Django by then
def pytest_configure(config: pytest.Config) -> None:
    """Decide whether every test records."""
    config.addinivalue_line("markers", _MARKER)
    choice = _choice(config)
    if choice == "real":
        look_for_stand_ins(None)
    if choice == "record" or (choice == "auto" and os.environ.get("DJANGO_SETTINGS_MODULE") and _is_site()):
        begin_background(_surroundings())
        config.pluginmanager.register(_EveryTest(), "celeriac-every-test")


@pytest.fixture
def celeriac_tasks(request: pytest.FixtureRequest) -> Iterator[TaskRecorder]:
    """What the test publishes: asserted with ``assert_enqueued`` and others, run with ``run``, moved in time."""
    options = _options(request)
    if options["real_broker"]:
        raise pytest.UsageError(
            f"{request.node.nodeid} is marked to use a real broker, so nothing is recorded and it cannot use "
            "celeriac_tasks."
        )
    with record_tasks(_surroundings(), on_commit=options["on_commit"]) as recorder:
        yield recorder


class _EveryTest:
    """Registered where every test records."""

    @pytest.fixture(autouse=True)
    def _celeriac_records(self, request: pytest.FixtureRequest) -> Iterator[None]:
        if _options(request)["real_broker"]:
            with real_brokers():
                yield
        else:
            request.getfixturevalue("celeriac_tasks")
            yield


def _choice(config: pytest.Config) -> str:
    choice = os.environ.get("CELERIAC_TEST_BROKER") or str(config.getini("celeriac_test_broker"))
    if choice not in _CHOICES:
        raise pytest.UsageError(
            f"celeriac_test_broker (or CELERIAC_TEST_BROKER) is {choice!r}; it must be one of {', '.join(_CHOICES)}."
        )
    return choice


def _options(request: pytest.FixtureRequest) -> dict[Literal["real_broker", "on_commit"], Any]:
    marker = request.node.get_closest_marker("celeriac")
    return _read_marker(request.config, **(marker.kwargs if marker else {}))


def _read_marker(
    config: pytest.Config, *, real_broker: bool = False, on_commit: str | None = None
) -> dict[Literal["real_broker", "on_commit"], Any]:
    """Return what a marker says; raises ``TypeError`` for what it cannot say."""
    return {"real_broker": real_broker, "on_commit": on_commit or str(config.getini("celeriac_on_commit"))}


def _is_site() -> bool:
    """Say whether this process is a Django site with celeriac, without importing Django."""
    django = sys.modules.get("django.apps")
    return django is not None and django.apps.ready and django.apps.is_installed("celeriac.django")


def _surroundings() -> Surroundings:
    if not _is_site():
        return Surroundings()
    surroundings: Surroundings = import_module("celeriac.django.testing_surroundings").DjangoSurroundings()
    return surroundings
