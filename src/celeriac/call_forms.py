"""The forms of the calls that are made again and again: what options and settings say of them is worked out once."""

from collections.abc import Mapping
from typing import Any

from celeriac.protocol.call_form import CallForm
from celeriac.protocol.message import Message
from celeriac.settings import Settings

__all__ = ["CallForms"]

#: Options that a form can be made for: they say nothing of the moment, nor of other tasks.
_LASTING = frozenset(
    {
        "add_to_parent",
        "confirm_timeout",
        "delivery_mode",
        "exchange",
        "ignore_result",
        "on_commit",
        "priority",
        "queue",
        "retry",
        "routing_key",
        "serializer",
        "soft_time_limit",
        "time_limit",
        "timeout",
        "using",
    }
)
#: Types of values that are the same if they are equal.
_VALUES = frozenset({bool, float, int, str, type(None)})
#: How many forms are kept before all are made anew.
_KEPT = 2048


class CallForms:
    """The forms of one app, by task and options. Safe for use by many threads."""

    def __init__(self) -> None:
        #: The revision of the settings that the forms were made by, and the forms.
        self._made: tuple[int, dict[tuple[Any, ...], CallForm]] = (-1, {})

    def find(self, name: str, options: Mapping[str, Any], revision: int) -> CallForm | None:
        """Return the form of calls with these options at this revision of the settings; None if there is none."""
        made_by, forms = self._made
        if made_by != revision or not options.keys() <= _LASTING:
            return None
        try:
            return forms.get(_key(name, options))
        except TypeError:  # an option of a kind that has no hash
            return None

    def keep(self, name: str, options: Mapping[str, Any], message: Message, conf: Settings, revision: int) -> None:
        """Make a form after the message of a call that nothing but these options and the settings has shaped.

        ``revision`` is that of the settings before the message was made.
        """
        if not options.keys() <= _LASTING or not _VALUES.issuperset(map(type, options.values())):
            return
        if (options.get("serializer") or conf.task_serializer) != "json" or not CallForm.is_plain(message):
            return
        form = CallForm(message, conf.task_repr_maxlevels)
        if revision != conf.revision:
            return
        made_by, forms = self._made
        if made_by != revision or len(forms) >= _KEPT:
            forms = {}
            self._made = revision, forms
        forms[_key(name, options)] = form


def _key(name: str, options: Mapping[str, Any]) -> tuple[Any, ...]:
    """Return what tells two calls apart; with the types, because 1 equals True."""
    values = options.values()
    return (name, *options, *values, *map(type, values))
