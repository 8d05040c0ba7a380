"""What ``celeriac dev`` is made of: lines of several programs, ports, and programs that are kept, outside Django."""

import asyncio
import io
import os
import signal
import socket
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from celeriac.cli.development import ensemble as ensemble_module
from celeriac.cli.development.ensemble import Ensemble
from celeriac.cli.development.port import choose_port
from celeriac.cli.development.program import Program
from celeriac.cli.development.project import name_settings
from celeriac.cli.development.terminal import Lines, Terminal
from celeriac.exceptions import ImproperlyConfigured
from tests.cli.conftest import PATIENCE, Project, environment, wait_until
from tests.terminal_session import CTRL_C, TerminalSession

COLORS = {"a": "green", "worker": "cyan", "dev": "yellow"}


def lines_of(*pieces: bytes) -> list[str]:
    said: list[str] = []
    lines = Lines(said.append)
    for piece in pieces:
        lines.feed(piece)
    lines.flush()
    return said


@pytest.mark.parametrize(
    ("pieces", "said"),
    [
        ([b"one\ntwo\n"], ["one", "two"]),
        ([b"o", b"ne\r\nt", b"wo"], ["one", "two"]),
        (["ü".encode()[:1], "ü\n".encode()[1:]], ["ü"]),
        ([b"\xff\n"], ["\N{REPLACEMENT CHARACTER}"]),
        ([b"10 %\r50 %\r100 %\n"], ["100 %"]),
        ([b"\n\none\n\n\n\ntwo\n\n"], ["one", "", "two"]),
        ([b"\x1b[31mred\x1b[0m\n"], ["\x1b[31mred\x1b[0m"]),
        ([b"\x1b[2J\x1b[1;1Hclean\x1b[K\n"], ["clean"]),
        ([b"\x1b]0;title\x07text\n"], ["text"]),
    ],
)
def test_output_in_pieces_becomes_lines(pieces: list[bytes], said: list[str]):
    assert lines_of(*pieces) == said


def test_a_line_without_an_end_is_not_kept_for_ever():
    said: list[str] = []
    Lines(said.append).feed(b"x" * 100_000)
    assert said == ["x" * 100_000]


def test_names_are_padded_and_coloured_where_colours_are_wanted():
    plain, colored = io.StringIO(), io.StringIO()
    Terminal(COLORS, output=plain).say("a", "text")
    assert plain.getvalue() == "a      | text\n"
    terminal = Terminal(COLORS, color=True, output=colored)
    terminal.say("a", "\x1b[31mred")
    terminal.say("worker", "text")
    assert colored.getvalue() == "\x1b[32ma      |\x1b[0m \x1b[31mred\x1b[0m\n\x1b[36mworker |\x1b[0m text\n"


def test_a_default_port_in_use_gives_way_to_the_next_free_one():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        choice = choose_port(option="--port", asked=None, default=port, host="127.0.0.1")
        assert choice.instead_of == port
        assert choice.port > port
        with pytest.raises(ImproperlyConfigured, match=rf"Port {port} is in use by another program; --port \d+ would"):
            choose_port(option="--port", asked=port, default=1, host="127.0.0.1")


def test_a_free_port_is_taken_as_it_is_unless_it_is_to_be_avoided():
    with socket.create_server(("127.0.0.1", 0)) as found:
        port = found.getsockname()[1]
    assert choose_port(option="--port", asked=port, default=1, host="127.0.0.1") == (port, None)
    assert choose_port(option="--port", asked=None, default=port, host="127.0.0.1", avoid={port}).port != port


def test_a_host_that_is_not_this_machine_is_refused():
    with pytest.raises(ImproperlyConfigured, match=r"This machine cannot listen on 192\.0\.2\.1"):
        choose_port(option="--port", asked=None, default=8000, host="192.0.2.1")


@pytest.mark.parametrize(
    "line",
    [
        "os.environ.setdefault('DJANGO_SETTINGS_MODULE', 'garden.settings')",
        'os.environ["DJANGO_SETTINGS_MODULE"] = "garden.settings"',
        'os.environ.setdefault(\n    "DJANGO_SETTINGS_MODULE",\n    "garden.settings"\n)',
    ],
)
def test_the_settings_that_manage_py_names_are_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, line: str):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DJANGO_SETTINGS_MODULE", "")
    (tmp_path / "manage.py").write_text(f"import os\n{line}\n")
    name_settings()
    assert os.environ["DJANGO_SETTINGS_MODULE"] == "garden.settings"


# Programs that are kept.


def run_ensemble(
    *programs: Program, then: Callable[[Ensemble, io.StringIO], object], restarts: bool = True, status: int = 0
) -> str:
    """Run programs; ``then`` is a coroutine function that ends them. Return what was shown."""
    output = io.StringIO()
    terminal = Terminal({program.name: "green" for program in programs} | {"dev": "yellow"}, output=output)

    async def run() -> None:
        ensemble = Ensemble(terminal, speaker="dev", restarts=restarts)

        async def play() -> None:
            ensemble.begin(*programs)
            await then(ensemble, output)

        assert await asyncio.wait_for(ensemble.run(play), PATIENCE) == status

    handlers = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}
    try:
        asyncio.run(run())
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)
    return output.getvalue()


async def shown(output: io.StringIO, text: str, times: int = 1) -> None:
    deadline = time.monotonic() + PATIENCE
    while output.getvalue().count(text) < times:
        assert time.monotonic() < deadline, output.getvalue()
        await asyncio.sleep(0.02)


def shell(name: str, script: str, **more) -> Program:
    return Program(name=name, title=f"The {name}", color="green", command=("/bin/sh", "-c", script), **more)


def test_a_program_that_ends_by_itself_is_told_of_and_begins_again_after_a_change():
    async def then(ensemble: Ensemble, output: io.StringIO) -> None:
        await shown(output, "runs")
        await shown(output, "The one exited with status 3; it starts again when a file changes.")
        ensemble.note_change()
        await shown(output, "begins", times=2)
        ensemble.interrupt()

    shown_lines = run_ensemble(
        shell("one", "echo begins; exit 3"), shell("other", "echo runs; exec sleep 100"), then=then
    )
    assert shown_lines.count("other | runs") == 1


def test_a_change_while_a_program_fails_is_not_missed(tmp_path: Path):
    async def then(ensemble: Ensemble, output: io.StringIO) -> None:
        await shown(output, "begins")
        ensemble.note_change()
        (tmp_path / "go").touch()
        await shown(output, "begins", times=2)
        ensemble.interrupt()

    run_ensemble(shell("one", f"echo begins; until [ -e {tmp_path}/go ]; do sleep 0.02; done; exit 3"), then=then)


def test_a_program_that_was_killed_after_it_ran_for_a_while_begins_again_at_once(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(ensemble_module, "_SOUND", 0.0)

    async def then(ensemble: Ensemble, output: io.StringIO) -> None:
        await shown(output, "The one was killed by SIGKILL; it starts again.", times=2)
        ensemble.interrupt()

    run_ensemble(shell("one", "kill -9 $$"), then=then)


def test_what_a_program_leaves_behind_ends_with_it(tmp_path: Path):
    async def then(ensemble: Ensemble, output: io.StringIO) -> None:
        await shown(output, "The one exited with status 0")
        ensemble.interrupt()

    run_ensemble(shell("one", f"sleep 1000 & echo $! > {tmp_path}/pid"), then=then)
    command_line = Path("/proc", (tmp_path / "pid").read_text().strip(), "cmdline")
    # Empty: it is dead, and nobody has asked yet how it died.
    wait_until(lambda: not command_line.exists() or command_line.read_bytes() == b"", "ended")


def test_a_program_that_does_not_end_when_asked_is_killed():
    async def then(ensemble: Ensemble, output: io.StringIO) -> None:
        await shown(output, "runs")
        ensemble.interrupt()

    script = "trap '' TERM; echo runs; while :; do sleep 0.05; done"
    assert "The one has not ended within 0.5 s and is killed." in run_ensemble(
        shell("one", script, patience=0.5), then=then
    )


def test_a_program_that_cannot_be_started_ends_all_with_a_sentence():
    async def then(ensemble: Ensemble, output: io.StringIO) -> None:
        await asyncio.sleep(PATIENCE)

    missing = Program(name="one", title="The one", color="green", command=("/no/such/program",))
    assert "The one cannot be started: " in run_ensemble(missing, shell("other", "exec sleep 100"), then=then, status=1)


def test_where_nothing_restarts_the_end_of_one_is_the_end_of_all_and_one_may_outlive_the_others():
    async def then(ensemble: Ensemble, output: io.StringIO) -> None:
        await asyncio.sleep(PATIENCE)

    script = "trap 'echo $0 ends; exit' TERM; while :; do sleep 0.02; done"
    shown_lines = run_ensemble(
        shell("one", "sleep 0.2; exit 3"),
        shell("last", script, outlives_others=True),
        shell("first", script),
        then=then,
        restarts=False,
        status=1,
    )
    assert "The one exited with status 3 unasked. Stopping the rest." in shown_lines
    assert [line.partition(" ")[0] for line in shown_lines.splitlines() if "ends" in line] == ["first", "last"]


def test_what_goes_wrong_while_programs_are_begun_ends_them_and_is_told(tmp_path: Path):
    async def then(ensemble: Ensemble, output: io.StringIO) -> None:
        await shown(output, "begins")
        raise ImproperlyConfigured("No.")

    with pytest.raises(ImproperlyConfigured, match="No"):
        run_ensemble(
            shell("one", f"trap 'touch {tmp_path}/ended; exit' TERM; echo begins; while :; do sleep 0.02; done"),
            then=then,
        )
    assert (tmp_path / "ended").exists()


# The command outside Django.


def test_without_django_it_is_the_worker_alone_in_colours_on_a_terminal(project: Project):
    for variables, color in ({}, True), ({"NO_COLOR": "1"}, False):
        terminal = TerminalSession(
            [sys.executable, "-m", "celeriac", "-A", project.name, "dev", "-c", "1", "-l", "DEBUG"],
            directory=project.directory,
            environment={**environment(), **variables},
        )
        try:
            terminal.wait_for("is ready")
            terminal.wait_for("Ctrl-C")
            assert "Site" not in terminal.text
            assert project.url in terminal.text
            assert project.app("call", f"{project.name}.add", "-a", "[2]", "-w", "20").stdout == "3\n"
            terminal.type(CTRL_C)
            assert terminal.end() == 0
            assert "DEBUG   Child process" in terminal.text
            assert ("\x1b[32mworker |" in terminal.raw) is color
            assert ("\x1b[" in terminal.raw) is color
        finally:
            terminal.close()


def test_an_app_that_cannot_be_imported_is_waited_for(project: Project):
    project.write(f"{project.name}.py", "this is = no Python\n")
    dev = project.start("-A", project.name, "dev", "-c", "1")
    dev.wait_for("The worker exited with status 2; it starts again when a file changes.")
    dev.wait_for("not known before the app can be imported")
    assert "Traceback" not in dev.log
    project.write(f"{project.name}.py", f"from celeriac import Celeriac\napp = Celeriac(broker={project.url!r})\n")
    dev.wait_for("is ready")
    assert dev.end(signal.SIGINT) == 0


def test_a_command_line_without_an_app_is_told_so(project: Project):
    done = project.run("dev")
    assert done.returncode == 2
    assert "No app is named" in done.stderr
