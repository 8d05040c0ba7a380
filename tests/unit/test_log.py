"""Logging: which lines come out where, and what is left alone."""

import asyncio
import io
import json
import logging
import sys
import threading

import pytest

from celeriac import log, signals
from celeriac.exceptions import ImproperlyConfigured
from celeriac.log import LoggingProxy, LogSettings, get_task_logger, set_current_task_info, setup_logging
from celeriac.settings import Settings
from celeriac.utils import log as celerys_module

#: A logger that is none of ours.
LIBRARY = logging.getLogger("some.library")


@pytest.fixture(autouse=True)
def as_before():
    """Put logging back after each test."""
    yield
    log.undo_logging()
    root = logging.getLogger()
    root.handlers[:] = [handler for handler in root.handlers if type(handler).__module__.startswith("_pytest")]
    logging.captureWarnings(False)


def bare_root():
    """Return the root logger without handlers; pytest puts its own back for the next test."""
    root = logging.getLogger()
    root.handlers.clear()
    return root


@pytest.fixture
def running_task():
    token = set_current_task_info("shop.pay", "id-1")
    yield
    log.reset_current_task_info(token)


def settings_for(stream, **more):
    return LogSettings(
        **{
            "level": "INFO",
            "file": stream,
            "format": "%(levelname)s|%(message)s",
            "task_format": "%(task_name)s[%(task_id)s]|%(message)s",
            **more,
        }
    )


def lines_of(stream):
    return stream.getvalue().splitlines()


def test_task_lines_carry_the_task_and_others_do_not(running_task):
    stream = io.StringIO()
    setup_logging(settings_for(stream))
    get_task_logger("shop.tasks").info("paid %d", 5)
    LIBRARY.warning("slow")
    LIBRARY.debug("hidden")
    assert lines_of(stream) == ["shop.pay[id-1]|paid 5", "WARNING|slow"]


def test_a_task_logger_outside_of_a_task_says_so():
    stream = io.StringIO()
    setup_logging(settings_for(stream))
    get_task_logger("shop.tasks").info("imported")
    assert lines_of(stream) == ["???[???]|imported"]


def test_threads_and_coroutines_each_have_their_own_task():
    stream = io.StringIO()
    setup_logging(settings_for(stream))
    logger = get_task_logger("shop.tasks")

    async def task(number):
        set_current_task_info("async", str(number))
        await asyncio.sleep(0)
        logger.info("x")

    async def both():
        await asyncio.gather(task(1), task(2))

    def in_thread():
        set_current_task_info("thread", "3")
        logger.info("x")

    asyncio.run(both())
    thread = threading.Thread(target=in_thread)
    thread.start()
    thread.join(5)
    assert lines_of(stream) == ["async[1]|x", "async[2]|x", "thread[3]|x"]
    assert log.current_task_info() is None


def test_task_loggers_stand_below_one_logger_whatever_their_name():
    assert get_task_logger("elsewhere.tasks").parent is log.task_logger
    assert log.task_logger.name == "celeriac.task"
    assert get_task_logger("celeriac.task.sub").parent is log.task_logger
    for name in ("celeriac", "celeriac.task"):
        with pytest.raises(RuntimeError, match="celeriac's own"):
            get_task_logger(name)


def test_levels_are_coloured_when_asked_for_only():
    plain, coloured = io.StringIO(), io.StringIO()
    for stream, color in ((plain, None), (coloured, True)):
        setup_logging(settings_for(stream, color=color))
        LIBRARY.error("bad")
        LIBRARY.info("fine")
    assert lines_of(plain) == ["ERROR|bad", "INFO|fine"]
    assert lines_of(coloured) == ["\x1b[31mERROR|bad\x1b[0m", "INFO|fine"]


def test_json_lines_are_one_object_each(running_task):
    stream = io.StringIO()
    setup_logging(settings_for(stream, json=True, node="worker@host", process_name="child-1"))
    try:
        raise ValueError("a\nb")
    except ValueError:
        get_task_logger("shop.tasks").exception("failed\n%s", "twice", extra={"order": 7, "object": object()})
    logging.getLogger("celeriac.worker").info("ready")
    first, second = (json.loads(line) for line in lines_of(stream))
    assert first["message"] == "failed\ntwice"
    assert (first["level"], first["logger"], first["order"]) == ("ERROR", "shop.tasks", 7)
    assert (first["task_name"], first["task_id"]) == ("shop.pay", "id-1")
    assert (first["node"], first["process"]) == ("worker@host", "child-1")
    assert first["exception"].startswith("Traceback")
    assert first["exception"].endswith("ValueError: a\nb")
    assert first["time"].endswith("Z")
    assert "exception" not in second


def test_json_lines_outside_of_tasks_name_no_task():
    stream = io.StringIO()
    setup_logging(settings_for(stream, json=True))
    logging.getLogger("celeriac.worker").info("ready")
    (line,) = lines_of(stream)
    assert not {"task_name", "task_id", "node"} & set(json.loads(line))


@pytest.mark.parametrize("as_json", [False, True])
def test_a_line_that_cannot_be_made_is_shown_all_the_same(as_json):
    class Unshowable:
        def __repr__(self):
            raise ZeroDivisionError

    stream = io.StringIO()
    setup_logging(settings_for(stream, json=as_json))
    LIBRARY.info("%d apples", "many")
    LIBRARY.info("x", extra={"thing": Unshowable()})
    first, second = lines_of(stream)
    assert "cannot be shown" in first
    assert "x" in second


def test_the_root_logger_is_left_alone_when_told_so():
    root = bare_root()
    project = logging.StreamHandler(io.StringIO())
    root.addHandler(project)
    level = root.level
    stream = io.StringIO()
    setup_logging(settings_for(stream, hijack_root=False))
    log.worker_logger.info("ready")
    assert root.handlers == [project]
    assert root.level == level
    assert project.stream.getvalue() == "ready\n", "the project's handlers get our records"
    assert lines_of(stream) == []


def test_without_any_handler_our_own_records_are_shown_and_the_root_logger_stays_bare(running_task):
    root = bare_root()
    stream = io.StringIO()
    setup_logging(settings_for(stream, hijack_root=False))
    log.worker_logger.info("ready")
    get_task_logger("shop.tasks").info("paid")
    LIBRARY.error("not ours")
    assert root.handlers == []
    assert lines_of(stream) == ["INFO|ready", "shop.pay[id-1]|paid"]


def test_a_level_the_project_has_set_is_kept():
    logging.getLogger().addHandler(logging.StreamHandler(io.StringIO()))
    log.base_logger.setLevel("ERROR")
    try:
        setup_logging(settings_for(io.StringIO(), hijack_root=False))
        assert log.base_logger.level == logging.ERROR
    finally:
        log.undo_logging()
        log.base_logger.setLevel(logging.NOTSET)


def test_whoever_listens_to_setup_logging_does_it_all():
    root = bare_root()
    told = []

    def receive(**kwargs):
        told.append(kwargs)

    signals.setup_logging.connect(receive)
    stdout = sys.stdout
    try:
        assert setup_logging(settings_for(None, redirect_stdouts=True)) is False
    finally:
        signals.setup_logging.disconnect(receive)
    assert told[0]["loglevel"] == logging.INFO
    assert root.handlers == []
    assert sys.stdout is stdout


def test_an_error_of_such_a_receiver_is_raised():
    def receive(**kwargs):
        raise LookupError("no such handler")

    signals.setup_logging.connect(receive)
    try:
        with pytest.raises(LookupError, match="no such handler"):
            setup_logging(settings_for(None))
    finally:
        signals.setup_logging.disconnect(receive)


def test_handlers_can_be_changed_after_they_are_made():
    seen = []

    def root(logger, **kwargs):
        seen.append(logger)

    def task(logger, **kwargs):
        seen.append(logger)

    signals.after_setup_logger.connect(root)
    signals.after_setup_task_logger.connect(task)
    setup_logging(settings_for(io.StringIO()))
    assert seen == [logging.getLogger(), log.task_logger]


def test_setting_up_twice_writes_each_line_once_and_undoing_restores():
    first, second = io.StringIO(), io.StringIO()
    root = bare_root()
    project = logging.StreamHandler(io.StringIO())
    root.addHandler(project)
    stdout = sys.stdout
    setup_logging(settings_for(first, redirect_stdouts=True))
    setup_logging(settings_for(second, redirect_stdouts=True))
    LIBRARY.info("once")
    assert (lines_of(first), lines_of(second)) == ([], ["INFO|once"])
    log.undo_logging()
    log.undo_logging()
    assert root.handlers == [project]
    assert sys.stdout is stdout


def test_a_log_file_is_written_and_an_impossible_one_is_refused(tmp_path):
    setup_logging(settings_for(str(tmp_path / "worker.log")))
    LIBRARY.info("grüß")
    log.undo_logging()
    assert (tmp_path / "worker.log").read_text(encoding="utf-8") == "INFO|grüß\n"
    with pytest.raises(ImproperlyConfigured, match=r"log file .*missing.* cannot be opened \(No such file"):
        setup_logging(settings_for(str(tmp_path / "missing" / "worker.log")))


@pytest.mark.parametrize(("written", "number"), [("info", 20), (15, 15), (" 30 ", 30), ("FATAL", 50), (None, None)])
def test_levels_are_known_by_name_and_number(written, number):
    assert log.level_number(written) == number


def test_a_level_that_does_not_exist_is_refused():
    with pytest.raises(ImproperlyConfigured, match="no log level 'LOUD'"):
        setup_logging(LogSettings(level="LOUD"))


def test_what_is_printed_goes_to_the_log(running_task):
    stream = io.StringIO()
    setup_logging(settings_for(stream, redirect_stdouts=True, redirect_level="INFO"))
    print("one", 2)
    print("part", end="")
    sys.stderr.write("ly\n\nthree\nrest")
    sys.stderr.flush()
    sys.stdout.writelines(["a\n", "b\n"])
    assert lines_of(stream) == ["INFO|one 2", "INFO|partly", "INFO|three", "INFO|rest", "INFO|a", "INFO|b"]


def test_a_handler_that_prints_does_not_log_for_ever(capfd):
    class Printing(logging.Handler):
        def emit(self, record):
            print("handling", record.getMessage())

    logger = logging.Logger("alone")  # noqa: LOG001 - apart from all others
    logger.addHandler(Printing())
    stdout, sys.stdout = sys.stdout, LoggingProxy(logger, "INFO")
    try:
        print("hello")
    finally:
        sys.stdout = stdout
    assert "handling hello" in capfd.readouterr().err


def test_a_closed_or_odd_write_is_no_error():
    stream = io.StringIO()
    logger = logging.Logger("alone")  # noqa: LOG001 - apart from all others
    logger.addHandler(logging.StreamHandler(stream))
    proxy = LoggingProxy(logger, "INFO")
    assert proxy.write(b"bytes\n") == 6
    assert not proxy.isatty()
    proxy.write("rest")
    proxy.close()
    proxy.close()
    assert proxy.write("more\n") == 0
    assert lines_of(stream) == ["bytes", "rest"]


def test_the_settings_say_how_to_log():
    conf = Settings(worker_log_format="%(message)s", worker_log_json=True, worker_hijack_root_logger=False)
    how = LogSettings.from_settings(conf, level="DEBUG")
    assert (how.format, how.json, how.hijack_root, how.level) == ("%(message)s", True, False, "DEBUG")
    assert how.redirect_stdouts is True


def test_celerys_module_has_celerys_names():
    assert celerys_module.get_task_logger is get_task_logger
    assert celerys_module.task_logger.name == "celeriac.task"
    assert celerys_module.mlevel("info") == celerys_module.LOG_LEVELS["INFO"] == 20
