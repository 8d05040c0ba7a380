"""Finding out that this process runs a site's tests, whoever runs them, so that nothing they publish leaves it.

Django's runner and pytest-django both set up Django's test environment, and so does each process of a parallel run.
Nothing tells that it has been done, so it is looked for when an engine is about to be made, and before the test
databases are: for an engine that was made earlier. Elsewhere that costs one look into a dict for each engine made.
"""

import sys
from importlib import import_module

from django.db.models.signals import pre_migrate

from celeriac.stand_ins import look_for_stand_ins, stand_ins

__all__ = ["is_set_up", "watch_test_environment"]


def watch_test_environment() -> None:
    """Let a site's tests reach no real broker, from the moment on that their environment is set up."""
    look_for_stand_ins(_look)
    pre_migrate.connect(_before_migration, dispatch_uid="celeriac.testing")


def is_set_up() -> bool:
    """Say whether Django's test environment is set up in this process."""
    utilities = sys.modules.get("django.test.utils")
    return hasattr(getattr(utilities, "_TestState", None), "saved_data")


def _look() -> None:
    if is_set_up():
        # Only here, as no site needs it while it serves.
        import_module("celeriac.django.testing_surroundings").begin_background()


def _before_migration(**_: object) -> None:
    stand_ins()
