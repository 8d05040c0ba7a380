import itertools
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from celeriac import Celeriac
from celeriac.app import shared
from celeriac.local import set_current_app
from tests.unit.api.bench import Bench

_numbers = itertools.count()


@pytest.fixture(autouse=True)
def tasks_of_this_test(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tasks are part of every app to come; those that a test makes go with it, and are in no other test's apps."""
    monkeypatch.setattr(shared, "_finalizers", shared.each_finalizer())


@pytest.fixture(params=["memory", "sqlite"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The URL of an empty broker, and result backend, of each embedded engine."""
    if request.param == "memory":
        return f"memory://api-{next(_numbers)}"
    return f"sqlite:///{tmp_path}/celeriac.sqlite3"


@pytest.fixture
def make_app() -> Iterator[Callable[..., Celeriac]]:
    apps: list[Celeriac] = []

    def make(main: str | None = "demo", **settings: object) -> Celeriac:
        settings.setdefault("broker", f"memory://api-{next(_numbers)}")
        app = Celeriac(main, **settings)  # type: ignore[arg-type]
        apps.append(app)
        return app

    yield make
    for app in apps:
        app.close()
    set_current_app(None)


@pytest.fixture
def app(make_app: Callable[..., Celeriac]) -> Celeriac:
    """An app on the memory engine, with results."""
    url = f"memory://api-{next(_numbers)}"
    return make_app(broker=url, backend=url)


@pytest.fixture
def bench(app: Celeriac) -> Iterator[Bench]:
    """What runs the app's messages in this process."""
    with Bench(app) as bench:
        yield bench
