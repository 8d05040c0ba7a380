"""What the fork server promises beyond every spawner's promises: its own death, preloading, cleanliness."""

import errno
import json
import os
import random
import resource
import select
import signal
import threading
from pathlib import Path

import pytest

from celeriac.exceptions import ImproperlyConfigured
from celeriac.supervision.child_process import ChildProcess
from celeriac.supervision.ending import UNKNOWN_ENDING, Ending
from celeriac.supervision.fork_server import ForkServer
from tests.supervision.conftest import PATIENCE, Channel, Start, wait_until

PRELOADS = "tests.supervision.preloads"


def test_children_outlive_their_server_and_are_still_watched(
    fork: Start, fork_server: ForkServer, channel: Channel
) -> None:
    children = [fork("report_signals", fds=[channel.writing]) for _ in range(3)]
    heard = b""
    while heard != b"sleeping" * 3:
        heard += channel.read()
    kill_server(fork_server)
    assert [child.poll() for child in children] == [None, None, None]
    children[0].send_signal(signal.SIGUSR1)
    assert channel.read() == b"SIGUSR1"
    for child in children:
        child.kill()
        assert child.wait(PATIENCE) == Ending(None, signal.SIGKILL)


@pytest.mark.parametrize("number", [0, 7])
def test_an_exit_status_is_known_though_the_server_is_dead(fork: Start, fork_server: ForkServer, number: int) -> None:
    with Channel() as go:
        child = fork("exit_when_told", b"%d" % number, fds=[go.reading])
        kill_server(fork_server)
        assert child.poll() is None
        os.write(go.writing, b"go")
        assert child.wait(PATIENCE) == Ending(number, None)


def test_a_child_that_ended_before_its_server_died_has_its_status(fork: Start, fork_server: ForkServer) -> None:
    child = fork("exit_with_number", b"5")
    assert select.select([child], [], [], PATIENCE)[0]
    wait_until(lambda: not Path(f"/proc/{child.pid}").exists())
    kill_server(fork_server)
    assert child.poll() == Ending(5, None)


def test_the_next_start_finds_a_new_server(fork: Start, fork_server: ForkServer) -> None:
    fork("do_nothing")
    for number in range(3):
        former = fork_server.pid
        kill_server(fork_server)
        assert fork("exit_with_number", b"%d" % number).wait(PATIENCE) == Ending(number, None)
        assert fork_server.pid != former


def test_a_server_that_answers_no_more_is_replaced(channel: Channel) -> None:
    with ForkServer(start_timeout=0.2) as server:
        server.open()
        former = server.pid
        os.kill(former, signal.SIGSTOP)
        child = server.start("tests.supervision.targets:echo", b"here", fds=[channel.writing])
        assert channel.read_all() == b"here"
        assert server.pid != former
        child.close()


def test_killing_servers_while_children_are_started_runs_each_child_exactly_once(fork_server: ForkServer) -> None:
    """Wherever the server dies, no target runs for a start that was tried again."""
    kills_left = iter(range(12))
    killer_is_done = threading.Event()

    def kill_now_and_then() -> None:
        for _ in kills_left:
            killer_is_done.wait(random.uniform(0.1, 0.3))
            if pid := fork_server.pid:
                kill_if_there(pid)
        killer_is_done.set()

    killer = threading.Thread(target=kill_now_and_then)
    killer.start()
    while not killer_is_done.is_set():
        with Channel() as channel:
            child = start_persistently(fork_server, b"once", channel.writing)
            assert channel.read_all() == b"once"
            ending = child.wait(PATIENCE)
            child.close()
            # Unknown: the server had reaped it and died before it could tell.
            assert ending in {Ending(0, None), UNKNOWN_ENDING}
    killer.join()


def start_persistently(server: ForkServer, argument: bytes, descriptor: int) -> ChildProcess:
    """Start, also when the killer is faster than three servers."""
    while True:
        try:
            return server.start("tests.supervision.targets:echo", argument, fds=[descriptor])
        except ChildProcessError:
            continue


def test_the_server_leaves_ending_to_the_node(fork: Start, fork_server: ForkServer) -> None:
    fork("do_nothing")
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        os.kill(fork_server.pid, number)
    former = fork_server.pid
    assert fork("exit_with_number", b"3").wait(PATIENCE) == Ending(3, None)
    assert fork_server.pid == former


def test_the_server_has_one_thread_and_a_session_of_its_own(fork_server: ForkServer) -> None:
    fork_server.open()
    assert len(list(Path(f"/proc/{fork_server.pid}/task").iterdir())) == 1
    assert os.getsid(fork_server.pid) == fork_server.pid


def test_a_closed_server_is_gone_and_starts_nothing(fork_server: ForkServer) -> None:
    fork_server.open()
    pid = fork_server.pid
    fork_server.close()
    assert not Path(f"/proc/{pid}").exists()
    with pytest.raises(RuntimeError, match="is closed"):
        fork_server.start("tests.supervision.targets:do_nothing", b"")


def test_processes_that_a_child_leaves_behind_are_reaped(fork: Start, channel: Channel) -> None:
    child = fork("fork_and_leave", b"0", fds=[channel.writing])
    left_behind = json.loads(channel.read())
    assert child.wait(PATIENCE) == Ending(0, None)
    wait_until(lambda: not Path(f"/proc/{left_behind}").exists())


def test_siblings_draw_different_random_numbers() -> None:
    with ForkServer(preload=["random"]) as server:
        drawn = set()
        for _ in range(5):
            with Channel() as channel:
                child = server.start("tests.supervision.targets:describe_oneself", b"", fds=[channel.writing])
                drawn.add(json.loads(channel.read_all())["random"])
                child.close()
    assert len(drawn) == 5


def test_too_many_descriptors_are_refused(fork_server: ForkServer, channel: Channel) -> None:
    with pytest.raises(ValueError, match="249 descriptors are too many: a child can be given 248"):
        fork_server.start("tests.supervision.targets:do_nothing", b"", fds=[channel.writing] * 249)
    child = fork_server.start("tests.supervision.targets:number_each", b"", fds=[channel.writing] * 248)
    assert len(channel.read_all()) == 10 + 90 * 2 + 148 * 3
    child.close()


def test_a_process_limit_is_the_callers_error_and_passes(
    fork: Start, fork_server: ForkServer, channel: Channel
) -> None:
    """Descriptors that do not fit into the server: what the system says is what the caller reads."""
    fork("do_nothing").wait(PATIENCE)
    resource.prlimit(fork_server.pid, resource.RLIMIT_NOFILE, (20, 20))
    with pytest.raises(OSError, match="The child 'wide' cannot be started: Too many open files") as caught:
        fork("do_nothing", fds=[channel.writing] * 30, name="wide")
    assert caught.value.errno == errno.EMFILE
    assert fork("exit_with_number", b"4").wait(PATIENCE) == Ending(4, None)


def test_preloaded_modules_are_there_in_every_child(channel: Channel) -> None:
    entries = [f"{PRELOADS}.quiet", f"{PRELOADS}.quiet:load", f"{PRELOADS}.quiet:finish_a_thread"]
    with ForkServer(preload=entries) as server:
        child = server.start(f"{PRELOADS}.quiet:tell", b"", fds=[channel.writing])
        assert channel.read_all() == b"['called', 'called']"
        child.close()


@pytest.mark.parametrize(
    ("entry", "words"),
    [
        ("with_thread", "cannot be preloaded: it leaves the thread 'rumination' open after import"),
        ("with_socket", "cannot be preloaded: it leaves 2 sockets open after import"),
        ("with_missing_import", "cannot be preloaded: ModuleNotFoundError: No module named 'no_such_module_anywhere'"),
        ("with_exit", "cannot be preloaded: SystemExit: settings are missing"),
        ("quiet:no_such_function", "cannot be preloaded: AttributeError: "),
    ],
)
def test_a_module_that_cannot_be_preloaded_is_named_with_the_reason(entry: str, words: str) -> None:
    with ForkServer(preload=["json", f"{PRELOADS}.{entry}"]) as server:
        for _ in range(2):
            with pytest.raises(ImproperlyConfigured) as caught:
                server.open()
            assert f"'{PRELOADS}.{entry}' {words}" in str(caught.value)
            assert server.pid is None


def test_the_traceback_of_a_failed_preload_comes_along() -> None:
    with (
        ForkServer(preload=[f"{PRELOADS}.with_missing_import"]) as server,
        pytest.raises(ImproperlyConfigured) as caught,
    ):
        server.open()
    assert "with_missing_import.py" in caught.value.__notes__[0]


def test_a_server_that_crashes_over_a_preload_is_an_error(capfd: pytest.CaptureFixture[str]) -> None:
    with (
        ForkServer(preload=[f"{PRELOADS}.with_crash"]) as server,
        pytest.raises(
            ChildProcessError, match=r"The fork server was killed by SIGSEGV before it was ready, preloading"
        ),
    ):
        server.open()


def test_a_preload_that_never_ends_is_an_error() -> None:
    with (
        ForkServer(preload=[f"{PRELOADS}.endless"], boot_timeout=0.5) as server,
        pytest.raises(
            TimeoutError, match=r"was not ready in 0.5 s; preloading \['tests.supervision.preloads.endless'\]"
        ),
    ):
        server.open()


def kill_server(server: ForkServer) -> None:
    kill_if_there(server.pid)
    pidfd = os.pidfd_open(server.pid)
    assert select.select([pidfd], [], [], PATIENCE)[0]
    os.close(pidfd)


def kill_if_there(pid: int) -> None:
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        return
