"""TLS as ``broker_use_ssl`` describes it."""

import ssl
from collections.abc import Mapping
from typing import Any

from celeriac.exceptions import ImproperlyConfigured

__all__ = ["make_context"]

_OPTIONS = frozenset(
    {"ca_certs", "ca_path", "certfile", "cert_reqs", "check_hostname", "ciphers", "keyfile", "keyfile_password"}
    # Understood and of no consequence: the context says which versions, the URL which name to expect.
    | {"ssl_version", "server_side", "suppress_ragged_eofs", "do_handshake_on_connect", "server_hostname"}
)
_REQUIREMENTS = {
    "none": ssl.CERT_NONE,
    "optional": ssl.CERT_OPTIONAL,
    "required": ssl.CERT_REQUIRED,
}


def make_context(options: Any) -> ssl.SSLContext:
    """Return a context that trusts the system's authorities, or as the options say.

    ``options`` is a context, or true, or a dict of Celery's names: ``ca_certs``, ``certfile``, ``keyfile``,
    ``cert_reqs``, ``ciphers`` and the like, with or without ``ssl_`` before them. Raises ``ImproperlyConfigured``.
    """
    if isinstance(options, ssl.SSLContext):
        return options
    given = {str(name).removeprefix("ssl_"): value for name, value in options.items()} if _is_dict(options) else {}
    given = {"ssl_version" if name == "version" else name: value for name, value in given.items()}
    unknown = sorted(given.keys() - _OPTIONS)
    if unknown:
        raise ImproperlyConfigured(
            f"broker_use_ssl has the unknown option {unknown[0]!r}; it may have {', '.join(sorted(_OPTIONS))}."
        )
    try:
        context = ssl.create_default_context(cafile=given.get("ca_certs"), capath=given.get("ca_path"))
        if given.get("certfile"):
            context.load_cert_chain(given["certfile"], given.get("keyfile"), given.get("keyfile_password"))
        if given.get("ciphers"):
            context.set_ciphers(given["ciphers"])
    except (OSError, ssl.SSLError) as error:
        raise ImproperlyConfigured(f"The files or ciphers of broker_use_ssl cannot be used: {error}.") from error
    requirement = _requirement(given.get("cert_reqs"))
    if requirement is not None:
        context.check_hostname = requirement == ssl.CERT_REQUIRED and context.check_hostname
        context.verify_mode = requirement
    if "check_hostname" in given:
        context.check_hostname = bool(given["check_hostname"])
    return context


def _is_dict(options: Any) -> bool:
    if isinstance(options, Mapping):
        return True
    if options is None or str(options).lower() in {"true", "1", "yes", "on"}:
        return False
    raise ImproperlyConfigured(f"broker_use_ssl must be True or a dict of options, not {options!r}.")


def _requirement(value: Any) -> ssl.VerifyMode | None:
    if value is None:
        return None
    if isinstance(value, str):
        found = _REQUIREMENTS.get(value.lower().removeprefix("cert_"))
        if found is None:
            raise ImproperlyConfigured(f"cert_reqs of broker_use_ssl is {value!r}; write 'required' or 'none'.")
        return found
    return ssl.VerifyMode(value)
