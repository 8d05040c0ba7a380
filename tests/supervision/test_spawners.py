"""What every spawner promises."""

import json
import os
import select
import signal
import socket
import threading
from pathlib import Path

import pytest

from celeriac.supervision.child_process import ChildProcess
from celeriac.supervision.ending import Ending
from celeriac.supervision.fork_server import ForkServer
from celeriac.supervision.spawner import Spawner
from tests.supervision.conftest import PATIENCE, Channel, Start, wait_until


def test_calls_the_target_with_its_argument(start: Start, channel: Channel) -> None:
    start("echo", b"\x00 ten letters", fds=[channel.writing])
    assert channel.read_all() == b"\x00 ten letters"


def test_hands_over_an_argument_of_five_megabytes(start: Start, channel: Channel) -> None:
    argument = os.urandom(1 << 20) * 5
    start("echo", argument, fds=[channel.writing])
    assert channel.read_all() == argument


def test_hands_over_thirty_descriptors_in_their_order(start: Start) -> None:
    channels = [Channel() for _ in range(30)]
    child = start("number_each", fds=[channel.writing for channel in channels])
    assert [channel.read_all() for channel in channels] == [b"%d" % position for position in range(30)]
    assert child.wait(PATIENCE) == Ending(0, None)
    for channel in channels:
        channel.__exit__()


def test_hands_over_a_descriptor_that_is_listed_twice(start: Start, channel: Channel) -> None:
    start("number_each", fds=[channel.writing, channel.writing])
    assert channel.read_all() == b"01"


def test_leaves_the_callers_descriptors_open(start: Start, channel: Channel) -> None:
    child = start("do_nothing", fds=[channel.writing])
    child.wait(PATIENCE)
    os.write(channel.writing, b"still mine")
    assert channel.read() == b"still mine"


@pytest.mark.parametrize(
    ("target", "argument", "ending"),
    [
        ("do_nothing", b"", Ending(0, None)),
        ("exit_with_number", b"3", Ending(3, None)),
        ("exit_with_words", b"no more paper", Ending(1, None)),
        ("exit_at_once", b"77", Ending(77, None)),
        ("fail", b"no such drawer", Ending(1, None)),
        ("interrupt_oneself", b"", Ending(1, None)),
        ("crash", b"%d" % signal.SIGKILL, Ending(None, signal.SIGKILL)),
        ("crash", b"%d" % signal.SIGSEGV, Ending(None, signal.SIGSEGV)),
        ("crash", b"%d" % signal.SIGTERM, Ending(None, signal.SIGTERM)),
        ("no_such_target", b"", Ending(127, None)),
    ],
)
def test_tells_how_the_child_ended(
    start: Start, capfd: pytest.CaptureFixture[str], target: str, argument: bytes, ending: Ending
) -> None:
    child = start(target, argument)
    assert child.wait(PATIENCE) == ending
    assert child.poll() == ending


def test_what_the_child_printed_is_there_when_it_ends(start: Start, capfd: pytest.CaptureFixture[str]) -> None:
    start("print_and_return", b"hello from below").wait(PATIENCE)
    assert capfd.readouterr().out == "hello from below\n"


def test_an_error_in_the_target_is_seen_on_stderr(start: Start, capfd: pytest.CaptureFixture[str]) -> None:
    start("fail", b"no such drawer").wait(PATIENCE)
    assert "LookupError: no such drawer" in capfd.readouterr().err


def test_words_given_to_exit_are_seen_on_stderr(start: Start, capfd: pytest.CaptureFixture[str]) -> None:
    start("exit_with_words", b"no more paper").wait(PATIENCE)
    assert capfd.readouterr().err == "no more paper\n"


def test_a_target_that_cannot_be_imported_is_named_on_stderr(
    spawner: Spawner, capfd: pytest.CaptureFixture[str]
) -> None:
    child = spawner.start("no_such_module:main", b"", name="child 7")
    assert child.wait(PATIENCE) == Ending(127, None)
    child.close()
    assert (
        "The child 'child 7' has nothing to run: 'no_such_module:main' cannot be imported"
        " (ModuleNotFoundError: No module named 'no_such_module')."
    ) in capfd.readouterr().err


@pytest.mark.parametrize("target", ["", "module", "module:", ":function", "a b:c", "module:function()"])
def test_a_malformed_target_is_refused_at_once(spawner: Spawner, target: str) -> None:
    with pytest.raises(ValueError, match="is not of the form 'module:function'"):
        spawner.start(target, b"")


def test_the_child_finds_a_clean_place(start: Start, channel: Channel) -> None:
    child = start("describe_oneself", fds=[channel.writing], name="tidy")
    found = json.loads(channel.read_all())
    assert found["pid"] == child.pid
    assert found["session"] == found["group"] == child.pid
    assert found["session"] != os.getsid(0)
    assert found["stdin"] == ""
    assert found["given"] == 1
    assert found["inheritable"] == [False]
    assert found["blocked"] == []
    assert found["wakeup"] == -1
    assert found["handlers"]["SIGINT"].startswith("<built-in function default_int_handler>")
    defaults = {name for name, handler in found["handlers"].items() if handler == str(signal.SIG_DFL.value)}
    assert {"SIGTERM", "SIGHUP", "SIGCHLD", "SIGUSR1", "SIGQUIT", "SIGIO"} <= defaults


def test_the_child_holds_no_descriptor_but_its_own(start: Start, channel: Channel, spawner: Spawner) -> None:
    """Standard ones, its lifeline and what it was given; no others, and none of its elder siblings'."""
    siblings = [start("sleep") for _ in range(3)]
    start("describe_oneself", fds=[channel.writing])
    found = json.loads(channel.read_all())["descriptors"]
    assert all(sibling.poll() is None for sibling in siblings)
    surplus = [found[name] for name in found if int(name) > 2]
    has_report = isinstance(spawner, ForkServer) and spawner._portable
    assert surplus == ["p"] * (3 if has_report else 2), found


def test_programs_that_a_task_runs_inherit_only_the_standard_descriptors(start: Start, channel: Channel) -> None:
    start("run_a_program", fds=[channel.writing])
    assert channel.read_all() == b"3\n"


def test_the_child_imports_what_this_process_imports(
    start: Start, channel: Channel, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.syspath_prepend(tmp_path / "odd:place")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setenv("PYTHONPATH", "/of/the/user")
    monkeypatch.setattr("sys.argv", ["celeriac", "worker", "--name=x"])
    start("describe_oneself", fds=[channel.writing])
    found = json.loads(channel.read_all())
    assert found["path"][:2] == [str(tmp_path), str(tmp_path / "odd:place")]
    assert found["python_path"] == "/of/the/user"
    assert found["arguments"] == ["celeriac", "worker", "--name=x"]


def test_the_childs_death_is_noticed_though_its_own_child_holds_everything(start: Start, channel: Channel) -> None:
    ours, theirs = socket.socketpair()
    child = start("fork_and_sleep", fds=[channel.writing, theirs.fileno()])
    theirs.close()
    grandchild = json.loads(channel.read())
    assert not select.select([child], [], [], 0)[0]
    assert child.poll() is None
    child.kill()
    assert select.select([child], [], [], PATIENCE)[0]
    assert child.wait(PATIENCE) == Ending(None, signal.SIGKILL)
    assert not select.select([ours], [], [], 0)[0], "the grandchild was to hold the socket open"
    ours.close()
    os.kill(grandchild, signal.SIGKILL)


def test_signals_reach_the_child(start: Start, channel: Channel) -> None:
    child = start("report_signals", fds=[channel.writing])
    assert channel.read() == b"sleeping"
    child.send_signal(signal.SIGUSR1)
    assert channel.read() == b"SIGUSR1"
    child.send_signal(signal.SIGTERM)
    assert channel.read() == b"SIGTERM"
    child.kill()
    assert child.wait(PATIENCE) == Ending(None, signal.SIGKILL)


def test_a_child_that_has_ended_can_be_killed_and_closed_again(start: Start) -> None:
    child = start("do_nothing")
    child.wait(PATIENCE)
    child.kill()
    child.send_signal(signal.SIGTERM)
    child.close()
    child.close()
    child.kill()
    assert child.poll() == Ending(0, None)
    assert child.fileno() == -1


def test_closing_a_child_that_runs_ends_it(start: Start, channel: Channel) -> None:
    child = start("ignore_signals", fds=[channel.writing])
    channel.read()
    child.close()
    assert child.poll() == Ending(None, signal.SIGKILL)
    assert channel.read_all() == b""


def test_closing_the_spawner_ends_no_child(start: Start, spawner: Spawner, channel: Channel) -> None:
    child = start("report_signals", fds=[channel.writing])
    channel.read()
    spawner.close()
    spawner.close()
    child.send_signal(signal.SIGUSR1)
    assert channel.read() == b"SIGUSR1"
    child.kill()
    ending = child.wait(PATIENCE)
    assert ending == Ending(None, signal.SIGKILL)


def test_many_threads_start_children_at_once(start: Start) -> None:
    children: list[tuple[int, ChildProcess]] = []

    def start_some() -> None:
        children.extend((number, start("exit_with_number", b"%d" % number)) for number in range(4))

    threads = [threading.Thread(target=start_some) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len({child.pid for _, child in children}) == 24
    for number, child in children:
        assert child.wait(PATIENCE) == Ending(number, None)


def test_ctrl_c_in_the_terminal_does_not_reach_the_child(start: Start, channel: Channel) -> None:
    """A terminal signals the foreground process group; the child is in none of the node's."""
    child = start("sleep", fds=[channel.writing])
    channel.read()
    assert os.getpgid(child.pid) == child.pid
    assert os.getsid(child.pid) == child.pid


def test_the_name_is_what_top_shows(start: Start, channel: Channel) -> None:
    child = start("sleep", fds=[channel.writing], name="letters-3")
    channel.read()
    assert Path(f"/proc/{child.pid}/comm").read_text() == "letters-3\n"


def test_forking_in_a_task_gives_no_warning(fork: Start) -> None:
    """Python 3.12 and later warn when a process with threads forks."""
    assert fork("fork_with_warnings_as_errors").wait(PATIENCE) == Ending(0, None)


def test_many_children_leave_nothing_behind(spawner: Spawner) -> None:
    pids: list[int] = []

    def once() -> None:
        child = spawner.start("operator:eq", b"")  # Any function of two arguments that is imported fast.
        pids.append(child.pid)
        assert child.wait(PATIENCE) == Ending(0, None)
        child.close()

    once()
    before = open_descriptor_counts(spawner)
    for _ in range(200 if isinstance(spawner, ForkServer) else 15):
        once()
    # The server closes a child's report just after it has told the node.
    wait_until(lambda: all(now <= then for now, then in zip(open_descriptor_counts(spawner), before, strict=True)))
    wait_until(lambda: not any(Path(f"/proc/{pid}").exists() for pid in pids))


def open_descriptor_counts(spawner: Spawner) -> list[int]:
    processes = [os.getpid(), *([spawner.pid] if isinstance(spawner, ForkServer) else [])]
    return [len(list(Path(f"/proc/{pid}/fd").iterdir())) for pid in processes]
