"""Under which names settings are written: Celery's own, Celery 3's in capitals, and those of a namespace.

Nothing here knows values. The rules:

* Without a namespace, ``task_acks_late`` and Celery 3's ``CELERY_ACKS_LATE`` are known; a source that uses names of
  both sorts is refused, because such a mixture is nearly always a half-finished upgrade.
* With the namespace ``CELERY``, ``CELERY_TASK_ACKS_LATE`` is known, and where that is not written, the two above.
* Anything else is a key of the user's own.
"""

import difflib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from celeriac.exceptions import ImproperlyConfigured
from celeriac.settings_table import SETTINGS

__all__ = [
    "OLD_NAMES",
    "Recognised",
    "is_slip",
    "known_name",
    "prefix_of",
    "recognise",
    "suggestion",
    "unknown_setting",
    "without_prefix",
]

#: Celery 3's name -> today's.
OLD_NAMES: dict[str, str] = {old: setting.name for setting in SETTINGS.values() for old in setting.old_names}

#: What people look for among the settings and find elsewhere.
_ELSEWHERE = {
    "broker_visibility_timeout": "a message is a node's own as long as the node renews its lease, see worker_lease",
    "visibility_timeout": "a message is a node's own as long as the node renews its lease, see worker_lease",
    "task_autoretry_for": "it is an option of each task: @app.task(autoretry_for=…)",
    "task_default_retry_delay": "it is an option of each task: @app.task(default_retry_delay=…)",
    "task_max_retries": "it is an option of each task: @app.task(max_retries=…)",
    "task_retry_backoff": "it is an option of each task: @app.task(retry_backoff=…)",
    "worker_autoscale": "it is an option of the worker: --autoscale=10,2",
    "worker_queues": "it is an option of the worker: --queues=…",
}

#: How alike two names must be for one to be taken for a slip of the other (0 to 1).
_SLIP = 0.85


@dataclass(slots=True, kw_only=True)
class Recognised:
    """What a source of settings holds."""

    #: Setting -> what is written.
    values: dict[str, Any] = field(default_factory=dict)
    #: Setting -> the key it is written under.
    written_as: dict[str, str] = field(default_factory=dict)
    #: Key (without the namespace, in small letters) -> what is written: of no setting.
    others: dict[str, Any] = field(default_factory=dict)
    #: The same -> the key as it is written.
    others_written_as: dict[str, str] = field(default_factory=dict)
    #: What names of the namespace begin with.
    prefix: str = ""

    @property
    def old_names(self) -> list[str]:
        """Names of Celery 3 that were used, sorted.

        Some of them are today's in the namespace ``CELERY``, and no old names there: ``CELERY_TIMEZONE``.
        """
        written = self.written_as.items()
        return sorted(key for name, key in written if key in OLD_NAMES and without_prefix(key, self.prefix) != name)

    def add(self, name: str, key: str, value: Any) -> None:
        """Note a setting, unless a better name for it was seen before."""
        if name not in self.values:
            self.values[name] = value
            self.written_as[name] = key

    def add_other(self, name: str, key: str, value: Any) -> None:
        """Note a key of no setting."""
        self.others[name] = value
        self.others_written_as[name] = key


def known_name(key: str) -> str | None:
    """Return the setting of this name or old name; None when there is none."""
    return key if key in SETTINGS else OLD_NAMES.get(key)


def without_prefix(key: str, prefix: str) -> str:
    """Return the name behind a namespace's prefix, in small letters; another key as it is."""
    return key[len(prefix) :].lower() if prefix and _begins_with(key, prefix) else key


def prefix_of(namespace: str | None) -> str:
    """Return what names of the namespace begin with."""
    return f"{namespace.rstrip('_')}_" if namespace else ""


def recognise(source: Mapping[str, Any], namespace: str | None = None) -> Recognised:
    """Sort what a source holds into settings and other keys.

    With a namespace, only keys that begin with it can be other keys: the rest of a Django settings module is none of
    our business. Raises ``ImproperlyConfigured`` when names of Celery 3 and of today are mixed.
    """
    if namespace:
        return _recognise_namespace(source, prefix_of(namespace))
    _refuse_mixture(source)
    found = Recognised()
    for key in sorted(source, key=OLD_NAMES.__contains__):  # today's names first
        name = known_name(key)
        if name is not None:
            found.add(name, key, source[key])
        else:
            found.add_other(key, key, source[key])
    return found


def suggestion(name: str) -> str:
    """Return the end of a sentence about a name that is no setting: what was probably meant; empty when unknown."""
    if name in _ELSEWHERE:
        return _ELSEWHERE[name]
    today = OLD_NAMES.get(name.upper()) or _without_celery(name)
    if today is not None:
        return f"its name is {today} here"
    slip = _slip_of(name)
    if slip is not None:
        return f"did you mean {slip}?"
    endings = [known for known in SETTINGS if known.endswith(f"_{name}")]
    if len(endings) == 1:
        return f"did you mean {endings[0]}?"
    return ""


def unknown_setting(name: str, *, key: str = "") -> str:
    """Return the sentence for a name that is no setting."""
    hint = suggestion(name)
    return f"There is no setting {key or name}: {hint}" if hint else f"There is no setting {key or name}."


def is_slip(name: str) -> bool:
    """Say whether a name is nearly that of a setting, or of something people take for one."""
    if known_name(name) is not None:
        return False
    return name in _ELSEWHERE or _without_celery(name) is not None or _slip_of(name) is not None


def _without_celery(name: str) -> str | None:
    """Return the setting behind a name of the namespace CELERY, which was used where none was given."""
    rest = without_prefix(name, "CELERY_")
    return rest if rest != name and rest in SETTINGS else None


def _slip_of(name: str) -> str | None:
    close = difflib.get_close_matches(name.lower(), SETTINGS, n=1, cutoff=_SLIP)
    return close[0] if close else None


def _recognise_namespace(source: Mapping[str, Any], prefix: str) -> Recognised:
    found = Recognised(prefix=prefix)
    for key, value in source.items():
        if not _begins_with(key, prefix):
            continue
        name = without_prefix(key, prefix)
        if name in SETTINGS:
            found.add(name, key, value)
        elif key not in OLD_NAMES:
            found.add_other(name, key, value)
    for key, value in source.items():  # what the namespace does not say
        known = None if _begins_with(key, prefix) and key not in OLD_NAMES else known_name(key)
        if known is not None:
            found.add(known, key, value)
    return found


def _begins_with(key: str, prefix: str) -> bool:
    rest = key[len(prefix) :]
    return key.startswith(prefix) and rest == (rest.upper() if prefix.isupper() else rest.lower())


def _refuse_mixture(source: Iterable[str]) -> None:
    keys = set(source)
    today = {key for key in keys if key in SETTINGS}
    old = {key for key in keys if key in OLD_NAMES and OLD_NAMES[key] not in today}
    if not today or not old:
        return
    renames = [f"{OLD_NAMES[key]} for {key}" for key in sorted(old)]
    shown = ", ".join(renames[:5]) + (f" and {len(renames) - 5} more" if len(renames) > 5 else "")
    raise ImproperlyConfigured(f"The settings mix names of Celery 3 with today's: write {shown}.")
