"""What became of a task, for people and programs: used by ``call --wait`` and ``result``."""

import sys
import time
from typing import TYPE_CHECKING, Any

import click

from celeriac import states
from celeriac.cli import exit_codes
from celeriac.cli.failures import say
from celeriac.cli.nodes import look_at_nodes
from celeriac.cli.output import duration, iso, print_json, shown_value
from celeriac.exceptions import OperationalError, TimeoutError

if TYPE_CHECKING:
    from celeriac.app.base import Celeriac
    from celeriac.async_result import AsyncResult

__all__ = ["exit_code_of", "print_outcome_json", "show_outcome"]


def show_outcome(app: "Celeriac", result: "AsyncResult[Any]", *, wait: float | None, with_traceback: bool) -> int:
    """Print a task's value, or say on standard error why there is none; return the exit status.

    ``wait`` is how many seconds the task may take to end.
    """
    wait_for(result, wait)
    state = result.state
    if state == states.SUCCESS:
        click.echo(shown_value(result.result))
    elif state in states.PROPAGATE_STATES:
        _say_failed(result, with_traceback=with_traceback)
    else:
        say("Not yet:", _why_not(app, result, state), color="yellow")
    return exit_code_of(state)


def exit_code_of(state: str) -> int:
    """Return the exit status that stands for a state."""
    if state == states.SUCCESS:
        return 0
    return exit_codes.FAILED if state in states.PROPAGATE_STATES else exit_codes.NOT_YET


def print_outcome_json(result: "AsyncResult[Any]", *, wait: float | None) -> int:
    """Print all that is known of a task as JSON; return the exit status."""
    wait_for(result, wait)
    state, value = result.state, result.result
    is_error = isinstance(value, BaseException)
    print_json(
        {
            "id": result.id,
            "state": state,
            "result": None if is_error else value,
            "error": _error_in_words(value) if is_error else None,
            "traceback": result.traceback,
            "date_done": result.date_done,
            "name": result.name,
            "worker": result.worker,
            "retries": result.retries,
            "queue": result.queue,
        }
    )
    return exit_code_of(state)


def wait_for(result: "AsyncResult[Any]", seconds: float | None) -> None:
    """Wait until the task is done, or so long."""
    if seconds is None:
        return
    try:
        result.get(timeout=seconds, propagate=False)
    except TimeoutError:
        return


def _say_failed(result: "AsyncResult[Any]", *, with_traceback: bool) -> None:
    if with_traceback and result.traceback:
        click.echo(result.traceback.rstrip(), file=sys.stderr)
    say(f"{result.state}:", _error_in_words(result.result), color="red")


def _error_in_words(error: Any) -> str:
    if isinstance(error, BaseException):
        text = str(error)
        return f"{type(error).__name__}: {text}" if text else type(error).__name__
    return str(error)


def _why_not(app: "Celeriac", result: "AsyncResult[Any]", state: str) -> str:
    if state == states.STARTED:
        return f"Task {result.id} is running."
    if state != states.PENDING:
        more = f": {shown_value(result.result)}" if result.result is not None else ""
        if isinstance(result.result, BaseException):
            more = f" after {_error_in_words(result.result)}"
        return f"The state of task {result.id} is {state}{more}."
    return _why_pending(app, result.id)


def _why_pending(app: "Celeriac", task_id: str) -> str:
    """Say what PENDING, which means that nothing is known, may mean for this task."""
    try:
        letters = app.broker.find_dead_letters(task_id)
        has_nodes = any(node.is_running for node in look_at_nodes(app.broker, now=time.time()))
    except OperationalError:
        letters, has_nodes = [], True
    if letters:
        return (
            f"Task {task_id} is a dead letter since {iso(letters[0].died_at)}: {letters[0].reason} "
            f"See celeriac dead show {task_id}."
        )
    lifetime = app.conf.result_expires
    kept = f", or its result has expired (results are kept for {duration(_seconds(lifetime))})" if lifetime else ""
    alone = "" if has_nodes else " No worker is running."
    return (
        f"Nothing is known of task {task_id} (PENDING): it waits, or runs without track_started, or there never was a "
        f"task of this id{kept}.{alone}"
    )


def _seconds(lifetime: Any) -> float:
    return float(lifetime.total_seconds()) if hasattr(lifetime, "total_seconds") else float(lifetime)
