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

import copy
import warnings
from collections.abc import Iterator, Mapping, MutableMapping
from typing import Any, Literal, NamedTuple

from celeriac.exceptions import CeleryWarning, ImproperlyConfigured
from celeriac.setting import Setting
from celeriac.settings_display import humanize, plain, table
from celeriac.settings_names import (
    Recognised,
    is_slip,
    known_name,
    prefix_of,
    recognise,
    suggestion,
    unknown_setting,
    without_prefix,
)
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

#: Settings that are as another one says when nobody sets them.
_FOLLOW = {
    "broker_read_url": "broker_url",
    "broker_write_url": "broker_url",
    "task_default_exchange": "task_default_queue",
    "task_default_routing_key": "task_default_queue",
}
_BROKER_PARTS = ("broker_transport", "broker_host", "broker_port", "broker_user", "broker_password", "broker_vhost")

#: Strongest first.
_LAYERS = ("overrides", "changes", "source", "fallbacks", "defaults")

_MISSING = object()


class FoundOption(NamedTuple):
    """What ``Settings.find_option`` returns, as in Celery."""

    namespace: str
    key: str
    type: Setting


class Settings(MutableMapping[str, Any]):
    """All settings of one app, and keys of the user's own. Reading is safe from any thread.

    Can be copied and pickled, as far as what was put in can.
    """

    def __init__(self, values: Mapping[str, Any] | None = None, /, **more: Any) -> None:
        layers: dict[str, dict[str, Any]] = {layer: {} for layer in _LAYERS}
        layers["defaults"] = {name: copy.deepcopy(setting.default) for name, setting in SETTINGS.items()}
        self.__dict__["_layers"] = layers
        self.__dict__["_old_names"] = ()
        self.__dict__["_prefix"] = ""
        self.__dict__.update(layers["defaults"])
        self._work_out(_FOLLOW)
        self.update(values or {}, **more)

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

    # Reading.

    def __getitem__(self, key: str) -> Any:
        name = self._name_of(key)
        if name in SETTINGS:
            return self.__dict__[name]
        value = self._strongest(name)
        if value is _MISSING:
            raise KeyError(key)
        return value

    def __getattr__(self, key: str) -> Any:
        # Only called for what is no setting of today's name: old names and keys of the user's own.
        if key.startswith("_"):
            raise AttributeError(key)
        try:
            return self[key]
        except KeyError:
            raise AttributeError(unknown_setting(key)) from None

    def __contains__(self, key: object) -> bool:
        return isinstance(key, str) and self._strongest(self._name_of(key)) is not _MISSING

    def __iter__(self) -> Iterator[str]:
        return iter(dict.fromkeys(name for layer in reversed(_LAYERS) for name in self._layers[layer]))

    def __len__(self) -> int:
        return sum(1 for _ in self)

    def __repr__(self) -> str:
        return f"<Settings: {len(self.changes())} set>"

    # Writing.

    def __setitem__(self, key: str, value: Any) -> None:
        self._put("changes", {key: value})

    def __setattr__(self, key: str, value: Any) -> None:
        self.update({key: value})

    def __delitem__(self, key: str) -> None:
        """Take back a change made in code; what another place says counts again."""
        name = self._name_of(key)
        del self._layers["changes"][name]
        self._work_out([name])

    __delattr__ = __delitem__

    def update(self, values: Any = (), /, **more: Any) -> None:
        """Change several settings, all or none.

        Raises ``ImproperlyConfigured`` for a value of the wrong kind, and for a name that is nearly a setting's.
        """
        written = {**dict(values), **more}
        for key in written:
            if key not in self and is_slip(key):
                raise ImproperlyConfigured(unknown_setting(key))
        self._put("changes", written)

    def override(self, values: Mapping[str, Any]) -> None:
        """Set what no change and no source can undo: for the command line."""
        self._put("overrides", values)

    def apply_environment(self, environ: Mapping[str, str]) -> None:
        """Override what environment variables say (``ENVIRONMENT``)."""
        for variable, name in reversed(ENVIRONMENT):
            if environ.get(variable):
                self.override({name: environ[variable]})

    def add_defaults(self, values: Mapping[str, Any]) -> None:
        """Add values that count where nobody says otherwise; the first to give one wins."""
        self._put("fallbacks", {**values, **self._layers["fallbacks"]})

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
        values = _values_of(found)
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

    # What is set, and showing it.

    @property
    def defaults(self) -> Mapping[str, Any]:
        """Every setting's value in the table."""
        return {name: setting.default for name, setting in SETTINGS.items()}

    @property
    def deprecated_settings(self) -> tuple[str, ...]:
        """Names of Celery 3 that the source uses."""
        names: tuple[str, ...] = self._old_names
        return names

    def changes(self) -> dict[str, Any]:
        """Return what anybody has set, and the user's own keys, without the table's defaults."""
        changed = {name: self[name] for layer in reversed(_LAYERS[:-1]) for name in self._layers[layer]}
        for name, value in self._layers["defaults"].items():
            if isinstance(value, (dict, list)) and value != SETTINGS[name].default:  # changed in place
                changed.setdefault(name, value)
        return changed

    def without_defaults(self) -> dict[str, Any]:
        """Celery's name for ``changes``."""
        return self.changes()

    def value_set_for(self, key: str) -> bool:
        """Say whether anybody has set this."""
        return self._name_of(key) in self.changes()

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

    # Copies.

    def copy(self) -> "Settings":
        """Return settings of the same values that can be changed on their own."""
        twin = type(self)()
        layers = {layer: dict(values) for layer, values in self._layers.items()}
        layers["defaults"] = copy.deepcopy(layers["defaults"])
        twin.__dict__.update(self.__dict__, _layers=layers)
        twin._work_out(SETTINGS)  # noqa: SLF001 - one of us
        return twin

    __copy__ = copy

    # Within.

    def _name_of(self, key: str) -> str:
        """Return the name that a value is kept under: today's, without the namespace that was read last."""
        return known_name(key) or without_prefix(key, self._prefix)

    def _strongest(self, name: str) -> Any:
        for layer in _LAYERS:
            if name in self._layers[layer]:
                return self._layers[layer][name]
        return _MISSING

    def _put(self, layer: str, values: Mapping[str, Any]) -> None:
        found = Recognised()
        for key, value in values.items():
            name = self._name_of(key)
            if name in SETTINGS:
                found.add(name, key, value)
            else:
                found.add_other(name, key, value)
        new = {**found.others, **_values_of(found)}
        self._layers[layer].update(new)
        self._work_out(new)

    def _work_out(self, names: Any) -> None:
        """Put the values that count now where attribute access finds them."""
        attributes = self.__dict__
        for name in names:
            if name in SETTINGS:
                attributes[name] = self._strongest(name)
        if attributes["broker_url"] is None and attributes["broker_host"] is not None:
            attributes["broker_url"] = _url_of_parts(*(attributes[part] for part in _BROKER_PARTS))
        for name, followed in _FOLLOW.items():
            attributes[name] = self._strongest(name) or attributes[followed]


def _values_of(found: Recognised) -> dict[str, Any]:
    return {name: SETTINGS[name].value_of(value, key=found.written_as[name]) for name, value in found.values.items()}


def _hint(name: str, namespace: str | None) -> str:
    """Return what is to be said of a source's key of no setting; empty for one that is somebody else's."""
    if namespace is None and without_prefix(name, "CELERY_") in SETTINGS:
        return 'pass namespace="CELERY" to config_from_object for settings that are named so'
    return suggestion(name) if namespace or is_slip(name) else ""


def _url_of_parts(
    transport: str | None, host: str, port: int | None, user: str | None, password: str | None, vhost: str | None
) -> str:
    login = _percent_encoded(user or "") + (f":{_percent_encoded(password)}" if password else "")
    address = host if port is None else f"{host}:{port}"
    return f"{transport or 'amqp'}://{login + '@' if login else ''}{address}/{vhost or ''}"


def _percent_encoded(text: str) -> str:
    return "".join(chr(byte) if chr(byte).isalnum() and byte < 128 else f"%{byte:02X}" for byte in text.encode())
