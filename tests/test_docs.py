"""What the documentation says is so: its examples run, and nothing that exists is missing from it."""

import json
import os
import re
import shlex
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import click
import pytest

from celeriac import signals
from celeriac.cli import main as celeriac_command
from celeriac.settings_table import SETTINGS
from docs import generate
from tests.pages import ROOT, Page, all_pages, read_page

PAGES = all_pages()
COMMANDS = {context.command_path: context.command for context in generate.walk_commands("celeriac", celeriac_command)}

#: Words of the API, and of Django's task framework, that begin like a setting.
NO_SETTINGS = {"task_id", "task_name", "task_options", "task_enqueued", "task_started", "task_finished", "worker_ids"}


def by_name(page: Page) -> str:
    return page.name


def environment(directory: Path) -> dict[str, str]:
    """Return the environment of an example: nothing of this machine's celeriac."""
    kept = {key: value for key, value in os.environ.items() if not key.startswith(("CELERIAC_", "CELERY_", "DJANGO_"))}
    return kept | {"PYTHONPATH": str(directory), "PYTHONDONTWRITEBYTECODE": "1"}


@contextmanager
def worker_for(app: str, directory: Path) -> Iterator[None]:
    """Keep a worker running, if there is an app for it."""
    if not app:
        yield
        return
    command = [str(Path(sys.executable).parent / "celeriac"), "--app", app, "worker", "--concurrency", "1"]
    log = directory / "worker.log"
    with log.open("wb") as output:
        worker = subprocess.Popen(
            command, cwd=directory, env=environment(directory), stdout=output, stderr=subprocess.STDOUT
        )
    try:
        yield
    finally:
        worker.send_signal(signal.SIGQUIT)
        try:
            worker.wait(20)
        except subprocess.TimeoutExpired:
            worker.kill()
            worker.wait()
        sys.stdout.write(log.read_text(errors="replace"))


@pytest.mark.parametrize("page", [page for page in PAGES if page.to_run], ids=by_name)
def test_the_examples_of_a_page_run(page: Page, tmp_path: Path) -> None:
    for name, text in page.files.items():
        file = tmp_path / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    blocks = [
        {"language": block.language, "code": block.code, "line": block.line, "page": page.name} for block in page.to_run
    ]
    with worker_for(page.worker, tmp_path):
        done = subprocess.run(
            [sys.executable, "-W", "error", str(ROOT / "tests" / "run_page.py")],
            input=json.dumps(blocks),
            cwd=tmp_path,
            env=environment(tmp_path),
            capture_output=True,
            text=True,
            timeout=90,
            check=False,
        )
    assert done.returncode == 0, done.stdout + done.stderr


def test_generated_pages_are_current() -> None:
    stale = [path.name for path, text in generate.pages().items() if path.read_text("utf-8") != text]
    assert stale == [], "run docs/generate.py"


def test_every_setting_is_documented() -> None:
    page = read_page(ROOT / "docs" / "settings.md").text
    missing = [name for name, setting in SETTINGS.items() if f"`{name}`" not in page]
    assert missing == []


def test_every_command_is_documented() -> None:
    page = read_page(ROOT / "docs" / "cli.md").text
    assert [name for name in COMMANDS if f"## `{name}`\n" not in page] == []


def test_every_command_and_option_explains_itself() -> None:
    mute = []
    for name, command in COMMANDS.items():
        if not command.help:
            mute.append(name)
        mute += [
            f"{name} {parameter.opts[0]}"
            for parameter in command.params
            if isinstance(parameter, click.Option) and not parameter.help and not parameter.hidden
        ]
    assert mute == []


@pytest.mark.parametrize("page", PAGES, ids=by_name)
def test_settings_that_a_page_mentions_exist(page: Page) -> None:
    words = set(re.findall(r"`((?:task|worker|broker|result|accept|beat)_[a-z_]+)`", page.text))
    assert words - set(SETTINGS) - set(signals.__all__) - NO_SETTINGS == set()


def command_lines(page: Page) -> Iterator[list[str]]:
    """Yield the words of each celeriac command that a page shows."""
    for block in page.blocks:
        if block.language != "console":
            continue
        for line in block.code.replace("\\\n", " ").splitlines():
            if re.match(r"\$ (python manage\.py )?celeriac ", line):
                yield shlex.split(line.removeprefix("$ ").removeprefix("python manage.py "), comments=True)[1:]


@pytest.mark.parametrize("page", [page for page in PAGES if list(command_lines(page))], ids=by_name)
def test_commands_that_a_page_shows_exist_with_their_options(page: Page) -> None:
    for words in command_lines(page):
        complain_about_unknown_words(words)


def complain_about_unknown_words(words: list[str]) -> None:
    """Fail when a command line has a command or an option that does not exist."""
    command: click.Command = celeriac_command
    rest = list(words)
    while True:
        options = {name: option for option in command.params for name in (*option.opts, *option.secondary_opts)}
        while rest and rest[0].startswith("-"):
            word = rest.pop(0)
            name, _, value = word.partition("=")
            if name == "--help":
                continue
            option = options.get(name) or options.get(name[:2])
            assert isinstance(option, click.Option), f"{shlex.join(words)}: there is no option {name}"
            glued = bool(value) or (name[:2] in options and name not in options)
            if not option.is_flag and not option.count and not glued:
                rest.pop(0)
        if not rest:
            return
        word = rest.pop(0)
        if isinstance(command, click.Group):
            child = command.get_command(click.Context(command), word)
            assert child is not None, f"{shlex.join(words)}: there is no command {word}"
            command = child


def test_links_of_the_readme_lead_somewhere() -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    targets = re.findall(r"\]\((?!https?://|#)([^)#]+)", text)
    assert [target for target in targets if not (ROOT / target).exists()] == []
    assert targets


# The test of the test.


def test_a_wrong_answer_in_a_page_is_found(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("Text.\n\n```pycon\n>>> 1 + 1\n3\n```\n")
    [block] = read_page(page).to_run
    blocks = json.dumps([{"language": block.language, "code": block.code, "line": block.line, "page": "page"}])
    done = subprocess.run(
        [sys.executable, str(ROOT / "tests" / "run_page.py")], input=blocks, capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert "line 4" in done.stdout
    assert "Expected:\n    3\nGot:\n    2" in done.stdout


def test_unknown_words_in_a_command_are_found() -> None:
    with pytest.raises(AssertionError, match="there is no command wrker"):
        complain_about_unknown_words(["wrker"])
    with pytest.raises(AssertionError, match="there is no option --concurency"):
        complain_about_unknown_words(["worker", "--concurency", "2"])
