"""The settings of an app.

A ``Settings`` object is a mapping and has each setting as an attribute. A value comes from the first of these places
that has one:

1. ``override``: the environment (``CELERIAC_BROKER_URL`` …) and options of the command line;
2. changes made in code: ``conf.task_time_limit = 60``, ``conf["…"]``, ``conf.update(…)``, arguments of the app;
3. the source: what ``config_from_object`` has read;
4. ``add_defaults``;
5. the table (``settings_table``).

Reading an attribute costs no more than on any object, because a change is worked out when it is made. Writing checks:
a value of the wrong kind is refused with a sentence, and so is a name that is nearly a setting's. Keys of your own are
welcome (RedBeat's ``redbeat_redis_url``); write ``conf["key"]`` for one that looks like a slip.

Nothing here imports a module or looks at the environment; both are handed in (``config_loading``).
"""

import warnings
from collections.abc import Mapping
from typing import Any, Literal, NamedTuple

from celeriac.exceptions import CeleryWarning, ImproperlyConfigured
from celeriac.setting import Setting
from celeriac.settings_display import humanize, plain, table
from celeriac.settings_layers import LayeredSettings, values_of
from celeriac.settings_names import is_slip, prefix_of, recognise, suggestion, unknown_setting, without_prefix
from celeriac.settings_table import SETTINGS

__all__ = ["ENVIRONMENT", "FoundOption", "Settings"]

#: Environment variables that win over everything, the stronger first, and their settings. An empty one says nothing.
ENVIRONMENT = (
    ("CELERIAC_BROKER_URL", "broker_url"),
    ("CELERIAC_RESULT_BACKEND", "result_backend"),
    ("CELERY_BROKER_URL", "broker_url"),
    ("CELERY_BROKER_READ_URL", "broker_read_url"),
    ("CELERY_BROKER_WRITE_URL", "broker_write_url"),
    ("CELERY_RESULT_BACKEND", "result_backend"),
    ("CELERY_CACHE_BACKEND", "cache_backend"),
)


class FoundOption(NamedTuple):
    """What ``Settings.find_option`` returns, as in Celery."""

    namespace: str
    key: str
    type: Setting


class Settings(LayeredSettings):
    """All settings of one app, and keys of the user's own."""

    @classmethod
    def from_sources(
        cls,
        source: Mapping[str, Any] | None = None,
        *,
        namespace: str | None = None,
        changes: Mapping[str, Any] | None = None,
        environ: Mapping[str, str] | None = None,
    ) -> "Settings":
        """Return settings read from a source, changes made in code, and the environment."""
        settings = cls()
        if source is not None:
            settings.load(source, namespace=namespace)
        settings.update(changes or {})
        settings.apply_environment(environ or {})
        return settings

    def load(
        self,
        source: Mapping[str, Any],
        *,
        namespace: str | None = None,
        unknown: Literal["warn", "refuse"] = "warn",
    ) -> None:
        """Read a source of settings, in place of the one read before.

        ``unknown`` says what happens with keys of no setting. ``warn``: those that look like a slip are warned of
        (``CeleryWarning``), all are kept, since other packages read keys of their own, also from Celery's namespace.
        ``refuse``: for a namespace of celeriac alone. Raises ``ImproperlyConfigured``, and then changes nothing.
        """
        found = recognise(source, namespace)
        values = values_of(found)
        for name, key in found.others_written_as.items():
            if unknown == "refuse":
                raise ImproperlyConfigured(unknown_setting(name, key=key))
            hint = _hint(name, namespace)
            if hint:
                warnings.warn(f"There is no setting {key}: {hint}", CeleryWarning, stacklevel=3)
        before = set(self._layers["source"])
        self._layers["source"] = {**found.others, **values}
        self.__dict__.update(_old_names=tuple(found.old_names), _prefix=prefix_of(namespace))
        if "TIME_ZONE" in source:  # Django's; any setting of ours is stronger
            self._layers["fallbacks"].setdefault("timezone", source["TIME_ZONE"])
        self._work_out({*before, *self._layers["source"], "timezone"})

    def apply_environment(self, environ: Mapping[str, str]) -> None:
        """Override what environment variables say (``ENVIRONMENT``)."""
        for variable, name in reversed(ENVIRONMENT):
            if environ.get(variable):
                self.override({name: environ[variable]})
        if environ.get("CELERIAC_BROKER_URL"):  # one broker, for reading and writing too
            self.override({"broker_read_url": None, "broker_write_url": None})

    @property
    def defaults(self) -> Mapping[str, Any]:
        """Every setting's value in the table."""
        return {name: setting.default for name, setting in SETTINGS.items()}

    @property
    def deprecated_settings(self) -> tuple[str, ...]:
        """Names of Celery 3 that the source uses."""
        names: tuple[str, ...] = self._old_names
        return names

    def without_defaults(self) -> dict[str, Any]:
        """Celery's name for ``changes``."""
        return self.changes()

    def unknown(self) -> dict[str, str]:
        """Return the keys of no setting, each with the end of a sentence on what was meant, or nothing."""
        return {name: suggestion(name) for name in self if name not in SETTINGS}

    def plain(self) -> dict[str, Any]:
        """Return what can be written as JSON, for a process that has none of the user's code; the rest is left out."""
        return plain(self)

    def table(self, with_defaults: bool = False, censored: bool = True) -> dict[str, Any]:
        """Return the settings by name, secrets hidden."""
        return table(self if with_defaults else self.changes(), censored=censored)

    def humanize(self, with_defaults: bool = False, censored: bool = True) -> str:
        """Return the settings as lines for people."""
        return humanize(self.table(with_defaults, censored))

    def find_option(self, name: str, namespace: str = "") -> FoundOption:
        """Return the setting of this name, written with or without its family; raises ``KeyError``."""
        candidates = [f"{namespace}_{name}".lower(), name.lower()]
        candidates += [known for known in SETTINGS if known.endswith(f"_{name.lower()}")]
        for candidate in candidates:
            if candidate in SETTINGS:
                setting = SETTINGS[candidate]
                return FoundOption(setting.family, candidate.removeprefix(f"{setting.family}_"), setting)
        raise KeyError(name)


def _hint(name: str, namespace: str | None) -> str:
    """Return what is to be said of a source's key of no setting; empty for one that is somebody else's."""
    if namespace is None and without_prefix(name, "CELERY_") in SETTINGS:
        return 'pass namespace="CELERY" to config_from_object for settings that are named so'
    return suggestion(name) if namespace or is_slip(name) else ""
