"""Settings for people, without their secrets, and for processes, without what cannot be written as JSON."""

import math
import re
from collections.abc import Mapping
from datetime import timedelta
from typing import Any
from zoneinfo import ZoneInfo

from celeriac.settings_table import SETTINGS

__all__ = ["MASK", "censor_url", "humanize", "plain", "table"]

MASK = "********"

#: Keys whose value is probably a secret, among those that no table describes.
_SECRET = re.compile(
    r"passw|secret|token|credential|(?:^|[^a-z])(?:api_?key|auth|dsn|key|pass|signature)s?(?:$|[^a-z])", re.IGNORECASE
)

#: ``user:password`` before an ``@``, in each of several URLs.
_LOGIN = re.compile(r"(?<=://)(?P<user>[^/?#;:]*):(?P<password>[^/?#]*)(?=@)")
_SECRET_ARGUMENT = re.compile(r"(?P<name>[?&;](?:password|passwd|secret|token|key|sig)=)[^&;#]*", re.IGNORECASE)

_UNWRITABLE = object()


def censor_url(url: str) -> str:
    """Return the URL (or several, parted by semicolons) with its passwords hidden."""
    censored = _LOGIN.sub(rf"\g<user>:{MASK}", url)
    return _SECRET_ARGUMENT.sub(rf"\g<name>{MASK}", censored)


def table(values: Mapping[str, Any], *, censored: bool) -> dict[str, Any]:
    """Return settings by name, secrets hidden when ``censored``."""
    if not censored:
        return dict(values)
    return {name: _censor(name, value) for name, value in values.items()}


def humanize(values: Mapping[str, Any]) -> str:
    """Return one line for each setting."""
    return "\n".join(f"{name}: {value!r}" for name, value in values.items())


def plain(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return the settings that are JSON-able, as JSON-able values; whatever holds anything else is left out."""
    written = {name: _plain(value) for name, value in values.items()}
    return {name: value for name, value in written.items() if value is not _UNWRITABLE}


def _censor(name: str, value: Any) -> Any:
    setting = SETTINGS.get(name)
    if value is None or (isinstance(value, (str, Mapping, list, tuple)) and not value):
        return value
    if setting.secret if setting is not None else _SECRET.search(name):
        return MASK
    if isinstance(value, str):
        return censor_url(value)
    if isinstance(value, (list, tuple)):
        return [_censor(name, item) if isinstance(item, (str, Mapping)) else item for item in value]
    if isinstance(value, Mapping):
        return {key: MASK if item and _SECRET.search(str(key)) else _censor("", item) for key, item in value.items()}
    return value


def _plain(value: Any) -> Any:
    match value:
        case None | bool() | int() | str():
            return value
        case float():
            return value if math.isfinite(value) else _UNWRITABLE
        case timedelta():
            return value.total_seconds()
        case ZoneInfo():
            return value.key
        case dict() if all(isinstance(key, str) for key in value):
            written = {key: _plain(item) for key, item in value.items()}
            return _UNWRITABLE if _UNWRITABLE in written.values() else written
        case list() | tuple() | set() | frozenset():
            items = [_plain(item) for item in value]
            return _UNWRITABLE if any(item is _UNWRITABLE for item in items) else items
        case _:
            return _UNWRITABLE
