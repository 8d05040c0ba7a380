"""Write the pages, and parts of pages, that the code itself knows best.

    python docs/generate.py            write them
    python docs/generate.py --check    fail when one is out of date

Written: `settings.md` (from the table of settings), `cli.md` (from the commands themselves), and the list of other
defaults in `differences.md`.
"""

import re
import sys
from collections.abc import Iterator
from pathlib import Path

import click

from celeriac.cli import main as celeriac_command
from celeriac.setting import Celery, Setting
from celeriac.settings_table import SETTINGS

DOCS = Path(__file__).parent
SOURCE = DOCS.parent / "src" / "celeriac"
#: Columns of the help texts on the page of commands.
WIDTH = 100

#: Settings that the code names and nothing obeys yet.
NOT_YET = {"task_default_rate_limit", "task_retry_on_worker_lost", "worker_direct"}

FAMILIES = {
    "": "General",
    "broker": "Broker",
    "result": "Results",
    "task": "Tasks",
    "worker": "Worker",
    "email": "Mail (Django)",
    "commands": "Management commands (Django)",
    "beat": "Periodic tasks",
    "control": "Remote control",
    "event": "Events",
    "redis": "Redis",
    "security": "Signed messages",
}

SETTINGS_INTRODUCTION = """\
# Settings

<!-- Written by docs/generate.py from src/celeriac/settings_table.py. -->

The names are Celery's, and so are the defaults, except where a line says otherwise. An app takes settings from
`app.conf.update(...)`, from `app.config_from_object(...)`, and from keyword arguments of `Celeriac(...)`; with
`namespace="CELERY"` the names are written as `CELERY_TASK_ACKS_LATE`. Celery 3's names in capitals are still read. A
name that is nearly one of these is answered with the one that was probably meant.

*Not in use yet* marks a setting that is read and checked, and that nothing in this release asks for: it belongs to
something on the [roadmap](roadmap.md)."""

COMMANDS_INTRODUCTION = """\
# Commands

<!-- Written by docs/generate.py from the commands themselves. -->

Each command explains itself with `--help`; this page is what they say."""


def pages() -> dict[Path, str]:
    """Return the text of each page that is generated, as it should be now."""
    differences = DOCS / "differences.md"
    return {
        DOCS / "settings.md": settings_page(),
        DOCS / "cli.md": commands_page(),
        differences: with_part(differences.read_text(encoding="utf-8"), "defaults", other_defaults()),
    }


def settings_page() -> str:
    """Return the reference of all settings."""
    return "\n".join(_settings_lines()) + "\n"


def _settings_lines() -> Iterator[str]:
    yield SETTINGS_INTRODUCTION
    source = _source_without_settings()
    for family, title in FAMILIES.items():
        members = [setting for setting in SETTINGS.values() if setting.family == family and not setting.without_effect]
        if members:
            yield from ("", f"## {title}")
        for setting in members:
            yield from _setting_lines(setting, in_use=setting.name not in NOT_YET and _mentions(source, setting.name))
    yield from ("", "## Accepted, and without effect", "", "A Celery configuration that has these still loads.", "")
    for setting in SETTINGS.values():
        if setting.without_effect:
            yield f"- `{setting.name}`: {_one_line(setting.reason or setting.help)}"


def _setting_lines(setting: Setting, *, in_use: bool) -> Iterator[str]:
    yield from ("", f"### `{setting.name}`", "")
    yield f"{_capital(setting.wanted())}. Default: {_code(setting.default)}."
    if setting.is_ours:
        yield (
            f"Celery has no such setting: {_lower(_one_line(setting.reason))}" if setting.reason else "celeriac's own."
        )
    elif setting.celery_default is not Celery.SAME:
        yield f"Celery's default is {_code(setting.celery_default)}: {_one_line(setting.reason)}"
    yield from ("", _one_line(setting.help))
    if not in_use:
        yield from ("", "*Not in use yet.*")


def other_defaults() -> str:
    """Return the list of settings whose default is not Celery's, each with the reason."""
    lines = []
    for setting in SETTINGS.values():
        if setting.is_ours or setting.celery_default is Celery.SAME or setting.without_effect:
            continue
        lines.append(
            f"- [`{setting.name}`](settings.md#{setting.name}) is {_code(setting.default)}, in Celery "
            f"{_code(setting.celery_default)}. {_one_line(setting.reason)}"
        )
    return "\n".join(lines)


def commands_page() -> str:
    """Return the reference of all commands: what each prints with --help."""
    return "\n".join(_commands_lines()) + "\n"


def _commands_lines() -> Iterator[str]:
    yield COMMANDS_INTRODUCTION
    for context in walk_commands("celeriac", celeriac_command):
        yield from ("", f"## `{context.command_path}`", "", "```text", _help_of(context), "```")


def walk_commands(name: str, command: click.Command, parent: click.Context | None = None) -> Iterator[click.Context]:
    """Yield a context of a command and of each below it; `command_path` is what calls it."""
    settings = {"terminal_width": WIDTH, "max_content_width": WIDTH, **command.context_settings}
    context = click.Context(command, info_name=name, parent=parent, **settings)
    yield context
    if isinstance(command, click.Group):
        for child_name in command.list_commands(context):
            child = command.get_command(context, child_name)
            if child is not None and not child.hidden:
                yield from walk_commands(child_name, child, context)


def _help_of(context: click.Context) -> str:
    return "\n".join(line.rstrip() for line in context.get_help().splitlines())


def with_part(text: str, name: str, part: str) -> str:
    """Return a page with the text between its two comments of that name replaced."""
    pattern = re.compile(f"(<!-- generated: {name} -->\n).*?(<!-- end: {name} -->)", re.DOTALL)
    replaced, count = pattern.subn(lambda found: f"{found[1]}{part}\n{found[2]}", text)
    if count != 1:
        raise SystemExit(f"The page has no place for the generated part {name!r}.")
    return replaced


def _source_without_settings() -> str:
    files = [path for path in sorted(SOURCE.rglob("*.py")) if not path.name.startswith("setting")]
    return "\n".join(path.read_text(encoding="utf-8") for path in files)


def _mentions(source: str, name: str) -> bool:
    return re.search(rf"\b{name}\b", source) is not None


def _code(value: object) -> str:
    return f"`{value!r}`"


def _one_line(text: str) -> str:
    return " ".join(text.split())


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


def _lower(text: str) -> str:
    return text[:1].lower() + text[1:]


def main(arguments: list[str]) -> int:
    """Write the pages, or with --check only compare; return the exit status."""
    stale = {path: text for path, text in pages().items() if not path.exists() or path.read_text("utf-8") != text}
    for path, text in stale.items():
        if "--check" in arguments:
            print(f"{path.name} is out of date: run docs/generate.py.", file=sys.stderr)
        else:
            path.write_text(text, encoding="utf-8")
            print(f"Written: {path.name}")
    return 1 if stale and "--check" in arguments else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
