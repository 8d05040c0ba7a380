"""The envelopes of calls of one form: what is the same in each of them is written once."""

from typing import Any

import msgspec

from celeriac.protocol.call_form import FilledForm, Filling

__all__ = ["EnvelopeForm"]

_encode = msgspec.msgpack.Encoder().encode
#: The headers that differ from call to call, as keys on the wire.
_ID, _ROOT_ID, _ARGSREPR, _KWARGSREPR = (_encode(key) for key in ("id", "root_id", "argsrepr", "kwargsrepr"))
_FILLED_IN = frozenset({"id", "root_id", "argsrepr", "kwargsrepr"})


class EnvelopeForm:
    """Makes what ``envelope.encode`` makes of the messages of filled forms, the headers in another order."""

    __slots__ = ("_after", "_before", "_start", "origin", "reply_to")

    def __init__(self, filled: FilledForm) -> None:
        self.origin = filled.origin
        self.reply_to = filled.reply_to
        model = filled.messages()[0]
        # The order is that of the fields of ``Message``: id, queue, headers, what is the same, body.
        _, queue, headers, *rest, _ = msgspec.structs.astuple(model)
        lasting: dict[str, Any] = {key: value for key, value in headers.items() if key not in _FILLED_IN}
        self._start = bytes([0x90 | len(rest) + 4])
        self._before = (
            _encode(queue)
            + b"\xde"
            + len(headers).to_bytes(2, "big")
            + b"".join(_encode(key) + _encode(value) for key, value in lasting.items())
            + _ID
        )
        self._after = b"".join(_encode(value) for value in rest)

    def fill(self, filling: Filling) -> bytes:
        """Return the envelope of one call."""
        task_id, argsrepr, kwargsrepr, body = filling
        name = _encode(task_id)
        return b"".join(
            (
                self._start,
                name,
                self._before,
                name,
                _ROOT_ID,
                name,
                _ARGSREPR,
                _encode(argsrepr),
                _KWARGSREPR,
                _encode(kwargsrepr),
                self._after,
                _encode(body),
            )
        )
