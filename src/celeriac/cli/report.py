"""``celeriac report``: what a bug report needs."""

import platform
import sqlite3
import sys
from importlib import metadata
from typing import TYPE_CHECKING, Any

import click

from celeriac.cli.output import print_json
from celeriac.cli.session import Session, pass_session
from celeriac.settings_display import censor_url
from celeriac.version import __version__

if TYPE_CHECKING:
    from celeriac.app.base import Celeriac

__all__ = ["report"]

#: What celeriac uses, and what it can use.
_LIBRARIES = ("click", "rich", "msgspec", "Django", "msgpack", "PyYAML", "watchfiles", "zstandard", "brotli")


@click.command()
@click.option("-j", "--json", "as_json", is_flag=True, help="Print JSON.")
@pass_session
def report(session: Session, as_json: bool) -> None:
    """Print what a bug report needs.

    That is: versions, the platform, and the app's settings without passwords. Works without an app too, and says then
    only what it knows.
    """
    facts: dict[str, Any] = {"software": _software(), "app": None}
    if session.names_app or session.broker_url:
        facts["app"] = _app_facts(session.app(tasks=True))
    if as_json:
        print_json(facts)
        return
    for name, text in facts["software"].items():
        click.echo(f"{name:<12}{text}")
    if facts["app"] is not None:
        for name, text in facts["app"].items():
            if name != "settings":
                click.echo(f"{name:<12}{text}")
        click.echo("settings    " + ("" if facts["app"]["settings"] else "all as by default"))
        for name, value in facts["app"]["settings"].items():
            click.echo(f"  {name} = {value!r}")


def _software() -> dict[str, str]:
    versions = [f"{name} {version}" for name in _LIBRARIES if (version := _version(name)) is not None]
    return {
        "celeriac": __version__,
        "python": f"{platform.python_version()} ({platform.python_implementation()}, {sys.executable})",
        "platform": platform.platform(),
        "sqlite": sqlite3.sqlite_version,
        "libraries": ", ".join(versions),
    }


def _app_facts(app: "Celeriac") -> dict[str, Any]:
    own = [name for name in app.tasks if not name.startswith(("celery.", "celeriac."))]
    results = app.result_backend_url
    return {
        "app": repr(app),
        "broker": censor_url(app.broker_url),
        "results": censor_url(results) if results else "off",
        "tasks": len(own),
        "settings": app.conf.table(with_defaults=False, censored=True),
    }


def _version(distribution: str) -> str | None:
    try:
        return metadata.version(distribution)
    except metadata.PackageNotFoundError:
        return None
