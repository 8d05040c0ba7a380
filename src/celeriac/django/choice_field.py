"""A text out of a few, which migrations take for any text."""

from typing import Any

from django.db import models

__all__ = ["ChoiceField"]


class ChoiceField(models.CharField):
    """A text field whose choices are no part of migrations: the database does not know them.

    So a release of celeriac that adds a choice needs no migration, and ``makemigrations`` of a site never makes one.
    """

    def deconstruct(self) -> tuple[Any, ...]:
        name, _, args, kwargs = super().deconstruct()
        kwargs.pop("choices", None)
        return name, "django.db.models.CharField", args, kwargs
