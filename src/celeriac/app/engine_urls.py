"""Where an app's settings say that messages and results are: one text each, several URLs parted by semicolons."""

from collections.abc import Sequence
from typing import Any
from urllib.parse import quote

from celeriac.exceptions import ImproperlyConfigured
from celeriac.settings import Settings

__all__ = ["producer_url", "results_url", "worker_url"]

_DISABLED = frozenset({"", "disabled", "disabled://"})
#: Celery's names for result backends that stand alone.
_RPC = frozenset({"rpc", "rpc://"})
_REDIS_IN_PARTS = {"redis": "redis", "redis://": "redis", "rediss": "rediss", "rediss://": "rediss"}


def producer_url(settings: Settings) -> str | None:
    """Return where messages are published, several URLs parted by semicolons; None: no setting says."""
    return _joined(settings.broker_write_url) or _joined(settings.broker_read_url)


def worker_url(settings: Settings) -> str | None:
    """Return where a worker takes messages from, and publishes what belongs to settling them; None: nobody says."""
    return _joined(settings.broker_read_url) or _joined(settings.broker_write_url)


def results_url(settings: Settings, default: str) -> str | None:
    """Return where results are kept; None: nowhere.

    Without settings they are kept beside the messages (``default``); with a broker of one's own they are off, as in
    Celery.
    """
    url: str | None = settings.result_backend
    if url is None:
        return None if producer_url(settings) else default
    if url in _DISABLED:
        return None
    if url in _RPC:
        return "rpc://"
    return _redis_url(settings, _REDIS_IN_PARTS[url]) if url in _REDIS_IN_PARTS else url


def _redis_url(settings: Settings, scheme: str) -> str:
    """Return the URL of a Redis that is given in parts (``redis_host`` and its companions)."""
    login = quote(settings.redis_username or "", safe="")
    if settings.redis_password:
        login += ":" + quote(settings.redis_password, safe="")
    host = settings.redis_host or "localhost"
    if ":" in host and not host.startswith("["):
        host = f"[{host}]"
    return f"{scheme}://{login + '@' if login else ''}{host}:{settings.redis_port or 6379}/{settings.redis_db or 0}"


def _joined(urls: Any) -> str | None:
    """Return one text of one URL or several; None for none."""
    if not isinstance(urls, str) and isinstance(urls, Sequence):
        for url in urls:
            if not isinstance(url, str):
                raise ImproperlyConfigured(f"broker_url must hold URLs, not {url!r}.")
        urls = ";".join(urls)
    if urls is not None and not isinstance(urls, str):
        raise ImproperlyConfigured(f"broker_url must be a URL, not {urls!r}.")
    return urls or None
