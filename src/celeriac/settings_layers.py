"""Settings in layers: a mapping in which the stronger place wins, and which checks what is written to it.

Reading an attribute costs no more than on any object, because a change is worked out when it is made. Keys that are no
setting's are the user's own, and are kept as they come.
"""

import copy
from collections.abc import Iterable, Iterator, Mapping, MutableMapping
from typing import Any, Self

from celeriac.exceptions import ImproperlyConfigured
from celeriac.settings_names import Recognised, is_slip, known_name, unknown_setting, without_prefix
from celeriac.settings_table import SETTINGS

__all__ = ["LAYERS", "LayeredSettings", "values_of"]

#: Where values come from, the strongest first.
LAYERS = ("overrides", "changes", "source", "fallbacks", "defaults")

#: Settings that are as another one says when nobody sets them.
_FOLLOW = {
    "broker_read_url": "broker_url",
    "broker_write_url": "broker_url",
    "task_default_exchange": "task_default_queue",
    "task_default_routing_key": "task_default_queue",
}
_BROKER_PARTS = ("broker_transport", "broker_host", "broker_port", "broker_user", "broker_password", "broker_vhost")

_MISSING = object()


class LayeredSettings(MutableMapping[str, Any]):
    """All settings of one app, and keys of the user's own. Reading is safe from any thread.

    Can be copied and pickled, as far as what was put in can.
    """

    #: Grows with every change, so that what is made from settings can tell that it is out of date.
    revision: int

    def __init__(self, values: Mapping[str, Any] | None = None, /, **more: Any) -> None:
        layers: dict[str, dict[str, Any]] = {layer: {} for layer in LAYERS}
        layers["defaults"] = {name: copy.deepcopy(setting.default) for name, setting in SETTINGS.items()}
        self.__dict__["_layers"] = layers
        self.__dict__["_old_names"] = ()
        self.__dict__["_prefix"] = ""
        self.__dict__["revision"] = 0
        self.__dict__.update(layers["defaults"])
        self._work_out(_FOLLOW)
        self.update(values or {}, **more)

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
        return iter(dict.fromkeys(name for layer in reversed(LAYERS) for name in self._layers[layer]))

    def __len__(self) -> int:
        return sum(1 for _ in self)

    def __repr__(self) -> str:
        return f"<{type(self).__name__}: {len(self.changes())} set>"

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

    def clear(self) -> None:
        """Take back all changes made in code."""
        names = list(self._layers["changes"])
        self._layers["changes"].clear()
        self._work_out(names)

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

    def add_defaults(self, values: Mapping[str, Any]) -> None:
        """Add values that count where nobody says otherwise; the first to give one wins."""
        self._put("fallbacks", {**values, **self._layers["fallbacks"]})

    def changes(self) -> dict[str, Any]:
        """Return what anybody has set, and the user's own keys, without the table's defaults."""
        changed = {name: self[name] for layer in reversed(LAYERS[:-1]) for name in self._layers[layer]}
        for name, value in self._layers["defaults"].items():
            if isinstance(value, (dict, list)) and value != SETTINGS[name].default:  # changed in place
                changed.setdefault(name, value)
        return changed

    def value_set_for(self, key: str) -> bool:
        """Say whether anybody has set this."""
        return self._name_of(key) in self.changes()

    def copy(self) -> Self:
        """Return settings of the same values that can be changed on their own."""
        twin = type(self)()
        layers = {layer: dict(values) for layer, values in self._layers.items()}
        layers["defaults"] = copy.deepcopy(layers["defaults"])
        twin.__dict__.update(self.__dict__, _layers=layers)
        twin._work_out(SETTINGS)  # noqa: SLF001 - one of us
        return twin

    __copy__ = copy

    def _name_of(self, key: str) -> str:
        """Return the name that a value is kept under: today's, without the namespace that was read last."""
        return known_name(key) or without_prefix(key, self._prefix)

    def _strongest(self, name: str) -> Any:
        for layer in LAYERS:
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
        new = {**found.others, **values_of(found)}
        self._layers[layer].update(new)
        self._work_out(new)

    def _work_out(self, names: Iterable[str]) -> None:
        """Put the values that count now where attribute access finds them."""
        attributes = self.__dict__
        attributes["revision"] += 1
        for name in names:
            if name in SETTINGS:
                attributes[name] = self._strongest(name)
        given_in_parts = attributes["broker_host"] is not None or attributes["broker_transport"] is not None
        if attributes["broker_url"] is None and given_in_parts:
            attributes["broker_url"] = _url_of_parts(*(attributes[part] for part in _BROKER_PARTS))
        for name, followed in _FOLLOW.items():
            attributes[name] = self._strongest(name) or attributes[followed]


def values_of(found: Recognised) -> dict[str, Any]:
    """Return the values that were found, each as its setting's kind; raises ``ImproperlyConfigured``."""
    return {name: SETTINGS[name].value_of(value, key=found.written_as[name]) for name, value in found.values.items()}


def _url_of_parts(
    transport: str | None, host: str | None, port: int | None, user: str | None, password: str | None, vhost: str | None
) -> str:
    login = _percent_encoded(user or "") + (f":{_percent_encoded(password)}" if password else "")
    host = host or "localhost"
    if ":" in host and not host.startswith("["):
        host = f"[{host}]"
    address = host if port is None else f"{host}:{port}"
    return f"{transport or 'amqp'}://{login + '@' if login else ''}{address}/{vhost or ''}"


def _percent_encoded(text: str) -> str:
    return "".join(chr(byte) if chr(byte).isalnum() and byte < 128 else f"%{byte:02X}" for byte in text.encode())
