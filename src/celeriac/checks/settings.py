"""Checks of an app's settings: each alone, and what of them contradicts what else."""

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from celeriac.app.periodic import code_entries, require_own_scheduler
from celeriac.checks.finding import Finding, Grade
from celeriac.exceptions import CeleriacError, ImproperlyConfigured
from celeriac.protocol import compression, serialization
from celeriac.settings_names import OLD_NAMES
from celeriac.settings_table import SETTINGS
from celeriac.worker.options import EXECUTORS

if TYPE_CHECKING:
    from celeriac.app.base import Celeriac

__all__ = ["ONE_AT_A_TIME", "check_settings"]

#: The cure for a rate limit that is not kept.
ONE_AT_A_TIME = "Until then give such tasks a queue of their own, and a worker with --queues and --concurrency 1."


def check_settings(app: "Celeriac") -> Iterator[Finding]:
    """Look at all settings. Raises ``ImproperlyConfigured`` when they cannot even be read."""
    for check in (_names, _values, _limits, _queues, _content, _running, _periodic, _later):
        yield from check(app)


def _names(app: "Celeriac") -> Iterator[Finding]:
    for name, suggestion in app.conf.unknown().items():
        if suggestion:
            yield Finding(Grade.WRONG, f"There is no setting {name}: {suggestion}", "W005")
    for name in app.conf.deprecated_settings:
        yield Finding(Grade.NOTE, f"{name} is a name of Celery 3 and works; today's is {OLD_NAMES[name]}.", "I001")
    for name in app.conf.changes():
        setting = SETTINGS.get(name)
        if setting is not None and setting.without_effect:
            yield Finding(Grade.NOTE, f"{name} has no effect: {setting.reason or setting.help}", "I002")


def _values(app: "Celeriac") -> Iterator[Finding]:
    """Make what is made of settings, which fails for those that make no sense."""
    makers: tuple[Callable[[], Any], ...] = (
        lambda: app.queues,
        lambda: app.router,
        lambda: app.timezone,
        lambda: app.accepted_content,
        lambda: app.result_format,
    )
    for make in makers:
        try:
            make()
        except CeleriacError as error:
            yield Finding(Grade.WRONG, str(error), "E004")


def _limits(app: "Celeriac") -> Iterator[Finding]:
    hard, soft = app.conf.task_time_limit, app.conf.task_soft_time_limit
    if hard and soft and soft >= hard:
        yield Finding(
            Grade.WRONG,
            f"task_soft_time_limit ({soft:g} s) comes too late: task_time_limit kills the task after {hard:g} s. Make "
            "the soft one shorter.",
            "E005",
        )


def _queues(app: "Celeriac") -> Iterator[Finding]:
    """Find queues that RabbitMQ would refuse to make."""
    try:
        queues = [app.queues[name] for name in app.queues.configured]
    except CeleriacError:
        return  # said already
    for queue in queues:
        arguments = queue.queue_arguments or {}
        if arguments.get("x-queue-type") == "quorum" and (queue.max_priority or "x-max-priority" in arguments):
            yield Finding(
                Grade.WRONG,
                f"The queue {queue.name!r} is a quorum queue with a highest priority, which RabbitMQ refuses: quorum "
                "queues have no such priorities. Take task_queue_max_priority (or the queue's own) away, or make it a "
                "classic queue.",
                "E014",
            )


def _content(app: "Celeriac") -> Iterator[Finding]:
    conf = app.conf
    for setting, readers in (
        ("task_serializer", conf.accept_content),
        ("result_serializer", conf.result_accept_content or conf.accept_content),
    ):
        try:
            encoded = serialization.dumps([], conf[setting])
            known = {serialization.content_type_of(name) for name in readers}
        except CeleriacError as error:
            yield Finding(Grade.WRONG, f"{setting}: {error}", "E006")
            continue
        if encoded.content_type not in known:
            yield Finding(
                Grade.WRONG,
                f"{setting} is {conf[setting]!r}, which accept_content ({', '.join(map(str, readers))}) does not let "
                f"anybody read: add it there.",
                "E006",
            )
    accepted = {*conf.accept_content, *(conf.result_accept_content or ())}
    if accepted & {"pickle", "application/x-python-serialize"}:
        yield Finding(
            Grade.NOTE, "accept_content lets pickle in: whoever can write to the broker can run any code.", "W006"
        )
    for setting in ("task_compression", "result_compression"):
        method = conf[setting]
        if method:
            try:
                compression.compress(b"", method)
            except (CeleriacError, ValueError) as error:
                yield Finding(Grade.WRONG, f"{setting}: {error}", "E006")


def _running(app: "Celeriac") -> Iterator[Finding]:
    conf = app.conf
    if conf.task_always_eager:
        yield Finding(
            Grade.WRONG,
            "task_always_eager is on: every call runs at once in the process that makes it, and workers get nothing. "
            "It is for tests.",
            "W007",
        )
    if conf.worker_pool not in EXECUTORS:
        choices = ", ".join(sorted(set(EXECUTORS.values())))
        yield Finding(Grade.WRONG, f"There is no executor {conf.worker_pool!r}: worker_pool takes {choices}.", "E007")
    if app.result_backend_url is None and conf.task_track_started:
        yield Finding(
            Grade.WRONG,
            "task_track_started is on, and results are off, so no state is kept: set result_backend, for example to "
            "the broker's URL.",
            "W008",
        )


def _periodic(app: "Celeriac") -> Iterator[Finding]:
    try:
        require_own_scheduler(app.conf)
    except ImproperlyConfigured as error:
        yield Finding(Grade.WRONG, str(error), "W013")
    try:
        code_entries(app)
    except ImproperlyConfigured as error:
        yield Finding(Grade.WRONG, str(error), "E015")


def _later(app: "Celeriac") -> Iterator[Finding]:
    """Find what a later release keeps: nobody should believe that this one does."""
    if app.conf.task_default_rate_limit:
        yield Finding(
            Grade.NOTE,
            f"task_default_rate_limit is not kept: rate limits come in a later release. {ONE_AT_A_TIME}",
            "W014",
        )
