"""celeriac's settings as a site writes them: the dict ``CELERIAC``, and ``CELERIAC_`` before a setting's name.

``CELERIAC_EMAIL_QUEUE = "mail"`` says the same as ``CELERIAC = {"email_queue": "mail"}``, and the dict wins. Celery's
own way, the prefix ``CELERY_``, is weaker than both.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from django.conf import settings

from celeriac.exceptions import ImproperlyConfigured
from celeriac.local import get_current_app
from celeriac.settings_names import known_name, unknown_setting
from celeriac.settings_table import SETTINGS

__all__ = ["PREFIX", "given_settings", "site_setting", "wrong_keys", "wrong_names"]

PREFIX = "CELERIAC_"


def given_settings() -> dict[str, Any]:
    """Return what the site sets in these two ways; raises ``ImproperlyConfigured`` for a key of the dict that is none.

    Of other names with the prefix only a system check speaks: a settings module has variables of its own.
    """
    for sentence in wrong_keys():
        raise ImproperlyConfigured(sentence)
    with_prefix = {name: getattr(settings, key) for key, name in _prefixed().items() if name is not None}
    return with_prefix | {_known(key): value for key, value in _dict().items()}


def wrong_keys() -> Iterator[str]:
    """Yield a sentence for each key of the dict that is no setting, or for what is no dict."""
    given = getattr(settings, "CELERIAC", None) or {}
    if not isinstance(given, Mapping):
        yield f"CELERIAC must be a dict of celeriac's settings, not {given!r}."
    for key in _dict():
        if not _known(key):
            yield unknown_setting(key.lower(), key=f"CELERIAC[{key!r}]")


def wrong_names() -> Iterator[str]:
    """Yield a sentence for each name with the prefix that is no setting."""
    for key, name in _prefixed().items():
        if name is None:
            yield unknown_setting(key.removeprefix(PREFIX).lower(), key=key)


def site_setting(name: str) -> Any:
    """Return a setting's value also for a site whose app has read nothing but names with ``CELERY_``.

    Raises ``ImproperlyConfigured`` for a value of the wrong kind.
    """
    given = given_settings()
    return SETTINGS[name].value_of(given[name]) if name in given else get_current_app().conf[name]


def _prefixed() -> dict[str, str | None]:
    return {key: known_name(key.removeprefix(PREFIX).lower()) for key in dir(settings) if key.startswith(PREFIX)}


def _dict() -> dict[str, Any]:
    given = getattr(settings, "CELERIAC", None)
    return {str(key): value for key, value in given.items()} if isinstance(given, Mapping) else {}


def _known(key: str) -> str:
    """Return the setting that a key of the dict means, in either case; empty: none."""
    return known_name(key.lower()) or ""
