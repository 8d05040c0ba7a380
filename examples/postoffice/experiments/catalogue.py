"""The experiments: what their cards say, and what their buttons do."""

from typing import NamedTuple

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from celeriac import Task
from experiments import addresses, tasks


class Experiment(NamedTuple):
    """One card of the page."""

    slug: str
    title: Promise
    text: Promise
    button: Promise
    task: Task

    @property
    def document(self) -> str:
        """What the task is to work on."""
        return addresses.sample() if self.slug == "import" else ""


EXPERIMENTS = {
    experiment.slug: experiment
    for experiment in (
        Experiment(
            "failing",
            _("A task that fails"),
            _("It asks for a price that is not in the list. The error and its traceback are kept as its result."),
            _("Run into the error"),
            tasks.look_up_price,
        ),
        Experiment(
            "too-slow",
            _("A task that is too slow"),
            _(
                "After 2 seconds, its soft limit, an exception tells it to stop, and it may tidy up. It takes too long "
                "over that as well: after 4 seconds, its hard limit, its process is killed and replaced."
            ),
            _("Run into the limits"),
            tasks.dawdle,
        ),
        Experiment(
            "killed",
            _("A process that is killed"),
            _(
                "Half-way through its first attempt the process is killed with SIGKILL, as the system does when memory "
                "runs out. The message has not been acknowledged, so another process begins the task again."
            ),
            _("Kill it in the middle"),
            tasks.survive,
        ),
        Experiment(
            "ten-at-once",
            _("Ten things at once"),
            _(
                "An async def task asks the mail server about ten addresses and awaits all the answers together. "
                "It takes as long as the slowest answer, in one process and one thread."
            ),
            _("Ask about ten addresses"),
            tasks.verify_ten,
        ),
        Experiment(
            "import",
            _("An import with progress"),
            _(
                "2,000 addresses from a CSV file, 50 at a time. After each step the task tells how far it is and "
                "pauses a little, so that there is something to see. Cancelling sets a flag in the site's database, "
                "which the task reads before each step: celeriac can't call off a running task from outside yet."
            ),
            _("Import 2,000 addresses"),
            tasks.import_addresses,
        ),
    )
}
