"""The example as a person meets it: real processes, a real SMTP server, real HTTP requests."""

import contextlib
import html
import http.client
import os
import re
import signal
import socket
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.django.running_demo import RunningDemo, wait_until

pytestmark = pytest.mark.timeout(240)

Start = Callable[..., RunningDemo]


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningDemo]:
    """One demo for the tests that leave it as it was."""
    running = RunningDemo.open(tmp_path_factory.mktemp("demo") / "state")
    yield running
    running.close()


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Start a demo of this test's own; the second call starts a second one."""
    started: list[RunningDemo] = []

    def start(*options: str, wait: bool = True) -> RunningDemo:
        directory = tmp_path / f"state{len(started) + 1}"
        running = RunningDemo.open(directory, *options) if wait else RunningDemo(directory, *options)
        started.append(running)
        return running

    yield start
    for running in started:
        running.close()


def test_ten_letters_go_out_in_the_background(demo: RunningDemo) -> None:
    kept = len(demo.letters_kept())
    answer = demo.send("background")
    # The letters take the post 0.7 s each: that none of them is out yet shows that the answer did not wait for them.
    assert "waiting" in demo.states()
    assert answer["error"] is None
    demo.wait_for_states("sent")
    assert len(demo.letters_kept()) == kept + 10


def test_ten_letters_go_out_in_the_request(demo: RunningDemo) -> None:
    kept = len(demo.letters_kept())
    answer = demo.send("request")
    assert demo.states() == ["sent"] * 10
    assert answer["request_seconds"] >= 7
    assert len(demo.letters_kept()) == kept + 10


def test_a_browser_without_script_is_led_back_to_the_page(demo: RunningDemo) -> None:
    page = demo.send("background", as_json=False)
    assert "10 letters in the background" in page
    assert '<meta http-equiv="refresh"' in page
    demo.wait_for_states("sent")


def test_a_letter_shows_its_task_and_its_result(demo: RunningDemo) -> None:
    demo.send("background")
    demo.wait_for_states("sent")
    letter = demo.page(newest_letter(demo, "ada@example.org"))
    assert re.search(r"<code>[0-9a-f-]{36}</code>", letter)
    assert "<code>SUCCESS</code>" in letter
    kept = [message for message in demo.letters_kept() if html.escape(message) in letter]
    assert len(kept) == 1, "the task's result is the Message-ID of the letter that the post has"
    assert "Dear Ada," in letter


def test_one_difficult_address_is_tried_until_it_takes_its_letter_and_the_other_shows_its_error(
    demo: RunningDemo,
) -> None:
    kept = len(demo.letters_kept())
    demo.send("background", difficult=True)
    wait_until(lambda: "delayed" in demo.states(), "the letter to the full mailbox to be refused for now")
    demo.wait_for_states("sent", "failed")
    assert sorted(demo.states()) == ["failed", *["sent"] * 9]
    assert len(demo.letters_kept()) == kept + 9
    delayed = demo.page(newest_letter(demo, "full@example.org"))
    assert "The post did not take it at the first 2 attempts." in delayed
    assert "may have gone out twice" not in delayed
    letter = demo.page(newest_letter(demo, "nobody@example.org"))
    assert "<code>FAILURE</code>" in letter
    assert "there is no such mailbox" in letter
    assert "Traceback (most recent call last)" in letter
    assert "send_letter" in letter


def test_in_the_request_nothing_is_tried_again(demo: RunningDemo) -> None:
    demo.send("request", difficult=True)
    assert sorted(demo.states()) == ["failed", "failed", *["sent"] * 8]
    letter = demo.page(newest_letter(demo, "full@example.org"))
    assert "452 4.2.2" in letter


def test_output_is_marked_with_the_name_of_who_says_it(demo: RunningDemo) -> None:
    for name in ("site", "worker", "smtp"):
        assert re.search(rf"^{name} +\|", demo.output, re.MULTILINE), demo.output


def test_every_day_a_report_is_written_and_mailed_and_expired_sessions_go_by_themselves(tmp_path: Path) -> None:
    running = RunningDemo.open(tmp_path / "state", POSTOFFICE_DAY_SECONDS="4")
    try:
        wait_until(lambda: 'id="sessions"' in running.page("daily/"), "the scheduler to be there")
        running.press("daily/sessions/pause/")
        running.press("daily/sessions/make/")
        assert '<span class="number" id="sessions-count">500</span>' in running.page("daily/")
        running.press("daily/sessions/resume/")
        wait_until(lambda: 'id="sessions-count">0<' in running.page("daily/"), "the expired sessions to be cleared")
        wait_until(lambda: len(running.reports_kept()) > 1, "two reports in the mailbox")
        page = running.page("daily/")
        assert "by schedule" in page
        assert "by hand" not in page
        newest = re.search(r'id="inside-[^"]+" href="(/tasks/[^"]+/)"', page)
        assert newest
        assert "celeriac-due" in running.page(newest[1])
    finally:
        running.close()
    assert "letters sent      0" in running.reports_kept()[0]


def test_two_demos_at_once_keep_apart(demo: RunningDemo, start: Start) -> None:
    second = start()
    kept = len(demo.letters_kept())
    second.send("background")
    second.wait_for_states("sent")
    assert len(second.letters_kept()) == 10
    assert len(demo.letters_kept()) == kept


def test_ports_in_use_are_said_and_others_are_used(start: Start) -> None:
    with in_use(8000), in_use(8025):
        running = start("--concurrency", "1", wait=False)
        running.wait_for_address()
    assert "Port 8000 is in use by another program; using " in running.output
    assert "Port 8025 is in use by another program; using " in running.output
    assert ":8000/" not in running.address


def test_a_port_asked_for_and_in_use_ends_the_demo_with_a_proposal(start: Start) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        running = start("--port", str(port), wait=False)
        assert running.end() == 1
    assert re.search(rf"Port {port} is in use by another program; --port \d+ would do\.", running.output)
    assert running.pids() == {}


def test_ctrl_c_in_the_middle_ends_everything_and_the_next_start_sends_the_rest(start: Start, tmp_path: Path) -> None:
    running = start("--concurrency", "1")
    running.send("background")
    wait_until(lambda: "sent" in running.states(), "the first letter to be sent")
    running.interrupt()
    assert running.end() == 0
    assert running.pids() == {}
    assert "Traceback" not in running.output
    assert len(running.letters_kept()) < 10

    again = RunningDemo.open(running.directory)
    try:
        again.wait_for_states("sent")
        assert len(set(again.letters_kept())) == 10
    finally:
        again.close()


def test_ctrl_c_in_the_middle_of_a_request_leaves_letters_that_say_so(start: Start) -> None:
    running = start()
    # Of two first looks at once each would bring a cookie, and the token of one would not fit that of the other.
    assert running.states() == []
    sending = threading.Thread(target=send_until_cut_off, args=(running,))
    sending.start()
    wait_until(lambda: "sent" in running.states(), "the first letter to be sent")
    running.interrupt()
    assert running.end() == 0
    sending.join()
    assert "Traceback" not in running.output
    again = RunningDemo.open(running.directory)
    try:
        assert "letters were cut off" in again.output
        assert set(again.states()) <= {"sent", "cut-off"}
    finally:
        again.close()


@pytest.mark.parametrize("moment", ["prepare", "smtp_server.py", "celeriac", "runserver"])
def test_ctrl_c_while_it_starts_ends_everything(start: Start, moment: str) -> None:
    running = start(wait=False)
    wait_until(lambda: any(moment in command for command in running.pids().values()), f"{moment} to be started")
    running.interrupt()
    assert running.end() == 0
    assert running.pids() == {}
    assert "Traceback" not in running.output


def test_a_worker_that_is_killed_ends_the_demo_which_says_so(start: Start) -> None:
    running = start()
    os.kill(pid_of(running, "celeriac"), signal.SIGKILL)
    assert running.end() == 1
    assert "The worker was killed by SIGKILL unasked. Stopping the rest." in running.output
    wait_until(lambda: running.pids() == {}, "every process to end")


def test_letters_go_out_though_the_processes_that_send_them_are_killed_and_say_that_they_may_be_doubled(
    start: Start,
) -> None:
    running = start()
    running.send("background")
    wait_until(lambda: running.states().count("sending") == 2, "two letters to be sent at once")
    for pid in running.pids_below("fork_server_main"):
        os.kill(pid, signal.SIGKILL)
    running.wait_for_states("sent")
    # The post had begun to take two letters; whether it finished is for it to say. None is missing.
    assert len(set(running.letters_kept())) == 10
    pages = [running.page(path) for path in re.findall(r'href="(/letters/\d+/)"', running.page())]
    assert sum("begun 2 times" in page for page in pages) == 2
    assert all("<code>SUCCESS</code>" in page for page in pages)


def test_nothing_outlives_a_demo_that_is_killed(start: Start) -> None:
    running = start()
    running.process.kill()
    wait_until(lambda: running.pids() == {}, "every process to end")


@contextlib.contextmanager
def in_use(port: int) -> Iterator[None]:
    """Listen on the port, unless somebody else does for long: this test on another Python has it for some seconds."""
    deadline = time.monotonic() + 20
    with contextlib.ExitStack() as stack:
        while time.monotonic() < deadline:
            try:
                stack.enter_context(socket.create_server(("127.0.0.1", port)))
                break
            except OSError:
                time.sleep(0.1)
        yield


def send_until_cut_off(demo: RunningDemo) -> None:
    with contextlib.suppress(OSError, http.client.HTTPException):
        demo.send("request")


def newest_letter(demo: RunningDemo, recipient: str) -> str:
    found = re.search(rf'href="(/letters/\d+/)"><span class="recipient">{re.escape(recipient)}<', demo.page())
    assert found
    return found[1]


def pid_of(demo: RunningDemo, words: str) -> int:
    """The pid of the first process started with these words."""
    return min(pid for pid, command in demo.pids().items() if words in command)
