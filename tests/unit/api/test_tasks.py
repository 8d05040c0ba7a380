"""Defining tasks: names, options, classes, and what an app knows of them."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from unittest import mock

import pytest

from celeriac import Celeriac, Task, current_app, shared_task
from celeriac.app.shared import share
from celeriac.exceptions import DuplicateTaskNameWarning, ImproperlyConfigured, NotRegistered
from celeriac.local import Proxy


def test_a_task_is_still_a_function(app: Celeriac) -> None:
    @app.task
    def add(x: int, y: int) -> int:
        """Add."""
        return x + y

    assert add(1, 2) == 3
    assert add.__doc__ == "Add."
    assert add.__wrapped__(2, 3) == 5
    assert isinstance(add, Task)


def test_its_name_is_made_from_module_and_function(app: Celeriac) -> None:
    @app.task
    def add() -> None: ...

    @app.task(name="my.own")
    def other() -> None: ...

    assert add.name == f"{__name__}.add"
    assert other.name == "my.own"
    assert app.tasks["my.own"] is other
    assert app.tasks[add.name] is add


def test_in_a_script_it_is_named_after_the_app_or_after_the_script(tmp_path: Path) -> None:
    for first, expected in (("Celeriac('shop')", "shop.add"), ("Celeriac()", "chores.add")):
        script = tmp_path / "chores.py"
        script.write_text(
            f"from celeriac import Celeriac\napp = {first}\n@app.task\ndef add(): pass\nprint(add.name)\n"
        )
        done = subprocess.run([sys.executable, str(script)], capture_output=True, text=True, check=True)
        assert done.stdout.strip() == expected


def test_a_bound_task_gets_itself(app: Celeriac) -> None:
    @app.task(bind=True)
    def who(self: Task[..., str], greeting: str) -> str:
        return f"{greeting} {self.name}"

    assert who("hello") == f"hello {who.name}"


def test_options_become_attributes_and_others_come_from_the_settings(make_app: Callable[..., Celeriac]) -> None:
    app = make_app(task_ignore_result=True, task_time_limit=30)

    @app.task(max_retries=7, time_limit=5, color="red")
    def one() -> None: ...

    @app.task(time_limit=None)
    def two() -> None: ...

    assert (one.max_retries, one.time_limit, one.ignore_result, one.color) == (7, 5, True, "red")  # type: ignore[attr-defined]
    assert two.time_limit == 30
    app.conf.task_time_limit = 40
    assert (one.time_limit, two.time_limit) == (5, 40)
    assert one.acks_late is True


def test_a_task_made_as_a_class(app: Celeriac) -> None:
    class Add(Task[[int, int], int]):
        name = "demo.Add"

        def run(self, x: int, y: int) -> int:
            return x + y

    add = app.register_task(Add())
    assert app.tasks["demo.Add"] is add
    assert add(1, 2) == 3

    class Nameless(Task[[], None]):
        def run(self) -> None: ...

    assert app.register_task(Nameless).name == f"{__name__}.Nameless"


def test_a_base_class_gives_its_attributes(app: Celeriac) -> None:
    class Shouting(Task[..., str]):
        prefix = "!"
        max_retries = 1

    @app.task(base=Shouting, bind=True)
    def say(self: Shouting, word: str) -> str:
        return self.prefix + word

    assert say("hi") == "!hi"
    assert say.max_retries == 1
    assert isinstance(say, Shouting)


def test_an_app_can_have_a_task_class_of_its_own(make_app: Callable[..., Celeriac]) -> None:
    class Mine(Task[..., object]): ...

    app = make_app(task_cls=Mine)

    @app.task
    def one() -> None: ...

    assert isinstance(one, Mine)


def test_the_class_of_tasks_can_be_named_and_be_the_base_of_others(make_app: Callable[..., Celeriac]) -> None:
    app = make_app(task_cls=f"{__name__}:Patient")
    assert app.Task is Patient

    class VeryPatient(app.Task):  # type: ignore[misc,name-defined]
        max_retries = 99

    @app.task
    def one() -> None: ...

    @app.task(base=VeryPatient)
    def two() -> None: ...

    assert (one.max_retries, two.max_retries) == (9, 99)
    assert isinstance(two, Patient)


class Patient(Task[..., object]):
    """A class of tasks that can be named."""

    max_retries = 9


def test_two_functions_of_one_name_warn_and_the_first_stays(app: Celeriac) -> None:
    @app.task(name="twice")
    def first() -> int:
        return 1

    with pytest.warns(DuplicateTaskNameWarning, match="'twice'.*first.*second.*name="):

        @app.task(name="twice")
        def second() -> int:
            return 2

    assert app.tasks["twice"]() == 1
    assert second() == 1


def test_a_shared_task_works_before_any_app_exists_and_belongs_to_every_app(make_app: Callable[..., Celeriac]) -> None:
    @shared_task(name="library.double")
    def double(x: int) -> int:
        return 2 * x

    @shared_task
    def triple(x: int) -> int:
        return 3 * x

    one = make_app("one")
    assert double(4) == 8
    two = make_app("two")
    assert triple(4) == 12
    for app in (one, two):
        assert app.tasks["library.double"](1) == 2
        assert app.tasks[f"{__name__}.triple"].app is app
    assert isinstance(double, Task)
    assert isinstance(double, Proxy)
    assert double.app is two
    one.set_current()
    assert double.app is one
    assert triple.name == f"{__name__}.triple"


def test_a_shared_task_made_after_an_app_is_in_use_reaches_it(make_app: Callable[..., Celeriac]) -> None:
    app = make_app()
    app.finalize()

    @shared_task(name="library.late", bind=True)
    def late(self: Task[..., str]) -> str:
        return self.name

    assert app.tasks["library.late"]() == "library.late"


def test_tasks_of_one_app_reach_the_others_unless_they_are_not_shared(make_app: Callable[..., Celeriac]) -> None:
    one, two = make_app("one"), make_app("two")

    @one.task(name="one.shared")
    def shared() -> None: ...

    @one.task(name="one.private", shared=False)
    def private() -> None: ...

    assert "one.shared" in two.tasks
    assert "one.private" not in two.tasks


def test_a_task_of_the_apps_own_wins_over_a_shared_one(make_app: Callable[..., Celeriac]) -> None:
    def other() -> int:
        return 1

    share(other, {"name": "own.wins"})
    app = make_app()

    @app.task(name="own.wins", shared=False)
    def own() -> int:
        return 2

    assert app.tasks["own.wins"]() == 2


def test_an_unknown_task_is_said_to_be_unknown(app: Celeriac) -> None:
    with pytest.raises(NotRegistered, match=r"no task 'nothing'.*import the module"):
        app.tasks["nothing"]


def test_annotations_change_tasks_from_the_settings(make_app: Callable[..., Celeriac]) -> None:
    app = make_app(task_annotations={"*": {"rate_limit": "10/s"}, "demo.slow": {"time_limit": 9}})

    @app.task(name="demo.slow")
    def slow() -> None: ...

    @app.task(name="demo.fast")
    def fast() -> None: ...

    assert app.tasks["demo.slow"].time_limit == 9
    assert app.tasks["demo.fast"].rate_limit == "10/s"
    assert app.tasks["demo.fast"].time_limit is None


def test_an_annotation_that_wraps_a_method_wraps_it_once(make_app: Callable[..., Celeriac]) -> None:
    @shared_task(name="library.wrapped")
    def wrapped() -> int:
        return 1

    app = make_app(task_annotations={"library.wrapped": {"@run": lambda run: lambda: run() + 10}})

    @app.task(name="demo.plain")
    def plain() -> None: ...

    assert app.tasks["library.wrapped"]() == 11


def test_what_is_not_offered_yet_says_so(app: Celeriac) -> None:
    with pytest.raises(ImproperlyConfigured, match="pydantic=True, which celeriac does not offer yet"):

        @app.task(pydantic=True)
        def one() -> None: ...


def test_mock_can_patch_a_task_for_a_while(app: Celeriac) -> None:
    @shared_task(name="library.patched")
    def patched() -> int:
        return 1

    for task in (patched, app.tasks["library.patched"]):
        with mock.patch.object(task, "delay", return_value=5) as delay:
            assert task.delay() == 5
        delay.assert_called_once_with()
        with mock.patch.object(task, "run", return_value=7):
            assert task.apply().get() == 7
        assert task.apply().get() == 1
        assert task.delay().id


def test_modules_of_tasks_are_found(
    make_app: Callable[..., Celeriac], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(tmp_path)
    for package, source in (
        ("shop_a", "from celeriac import shared_task\n@shared_task\ndef a(): pass\n"),
        ("shop_b", None),
    ):
        (tmp_path / package).mkdir()
        (tmp_path / package / "__init__.py").write_text("")
        if source:
            (tmp_path / package / "tasks.py").write_text(source)
    (tmp_path / "extra_tasks.py").write_text("from celeriac import shared_task\n@shared_task\ndef c(): pass\n")
    app = make_app(include=["extra_tasks"])
    app.autodiscover_tasks(lambda: ["shop_a", "shop_b"])
    assert "shop_a.tasks.a" not in app.tasks
    app.import_task_modules()
    assert {"shop_a.tasks.a", "extra_tasks.c"} <= app.tasks.keys()


def test_an_error_in_a_module_of_tasks_is_not_hidden(
    make_app: Callable[..., Celeriac], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "shop_broken").mkdir()
    (tmp_path / "shop_broken" / "__init__.py").write_text("")
    (tmp_path / "shop_broken" / "tasks.py").write_text("import there_is_no_such_module\n")
    with pytest.raises(ModuleNotFoundError, match="there_is_no_such_module"):
        make_app().autodiscover_tasks(["shop_broken"], force=True)


def test_the_current_app_is_the_last_one_made(make_app: Callable[..., Celeriac]) -> None:
    one = make_app("one")
    make_app("aside", set_as_current=False)
    assert current_app.main == "one"
    assert current_app == one


def test_periodic_tasks_are_kept_for_the_scheduler(app: Celeriac) -> None:
    @app.task(name="demo.tick")
    def tick(x: int) -> None: ...

    key = app.add_periodic_task(10.0, tick.s(1), name="every ten", queue="slow")
    assert key == "every ten"
    assert app.periodic_tasks[key] == {
        "schedule": 10.0,
        "task": "demo.tick",
        "args": (1,),
        "kwargs": {},
        "options": {"queue": "slow"},
    }
