"""Calls of one form as RabbitMQ is given them: all of their bytes that is known beforehand is written once."""

import secrets
import struct

from celeriac.amqp.content import Outgoing, write_content, write_properties
from celeriac.protocol.amqp_message import to_properties
from celeriac.protocol.call_form import FilledForm, Filling

__all__ = ["PreparedCall", "PreparedForm"]

_SIZE = struct.Struct(">I")
_size = _SIZE.pack


class PreparedForm:
    """Writes the properties of calls, the same bytes as ``write_properties`` does, in a fifth of the time."""

    def __init__(self, filled: FilledForm) -> None:
        self.form = filled.form
        self.origin = filled.origin
        self.reply_to = filled.reply_to
        # What is filled in is found by what nothing else says.
        task_id, args, kwargs = (secrets.token_hex(16) for _ in range(3))
        message = self.form.message((task_id, args, kwargs, b""), origin=self.origin, reply_to=self.reply_to)
        self.exchange = message.exchange
        self.routing_key = (message.routing_key or "") if message.exchange else message.queue
        self.flags, written = write_properties(to_properties(message, 0.0))
        before_table = sum(1 + len(text) for text in (message.content_type, message.content_encoding))
        self._beginning = written[:before_table]
        (size,) = _SIZE.unpack_from(written, before_table)
        self._fixed_size = size - sum(map(len, (task_id, task_id, args, kwargs)))
        first, second, rest = written[before_table + _SIZE.size :].split(_text(task_id))
        third, rest = rest.split(_text(args))
        fourth, rest = rest.split(_text(kwargs))
        fifth, end = rest.split(bytes((len(task_id),)) + task_id.encode())
        self._between = first, second, third, fourth, fifth, end

    def write(self, filling: Filling) -> bytes:
        """Return the properties of one call; raises ``ValueError`` for what is to be written the other way."""
        task_id, args, kwargs = filling[0].encode(), filling[1].encode(), filling[2].encode()
        first, second, third, fourth, fifth, end = self._between
        id_size = len(task_id)
        sized_id = _size(id_size) + task_id
        return b"".join(
            (
                self._beginning,
                _size(self._fixed_size + 2 * id_size + len(args) + len(kwargs)),
                first,
                sized_id,
                second,
                sized_id,
                third,
                _size(len(args)),
                args,
                fourth,
                _size(len(kwargs)),
                kwargs,
                fifth,
                bytes((id_size,)),
                task_id,
                end,
            )
        )


class PreparedCall:
    """One call, as ``Outgoing`` is one message."""

    __slots__ = ("_filling", "_form")

    #: As with ``Outgoing``.
    mandatory = True

    def __init__(self, form: PreparedForm, filling: Filling) -> None:
        self._form = form
        self._filling = filling

    @property
    def address(self) -> tuple[str, str, str | None]:
        """Exchange, routing key and correlation id."""
        return self._form.exchange, self._form.routing_key, self._filling[0]

    def write(self, channel: int, frame_max: int) -> bytes:
        """Return the frames that publish it; raises ``EncodeError`` for what AMQP cannot carry."""
        form, filling = self._form, self._filling
        try:
            written = form.write(filling)
        except ValueError:
            # The long way says what is wrong with it.
            return self._outgoing().write(channel, frame_max)
        return write_content(self, form.flags, written, filling[3], channel, frame_max)

    def _outgoing(self) -> Outgoing:
        form = self._form
        message = form.form.message(self._filling, origin=form.origin, reply_to=form.reply_to)
        return Outgoing(
            exchange=form.exchange,
            routing_key=form.routing_key,
            properties=to_properties(message, 0.0),
            body=message.body,
        )


def _text(text: str) -> bytes:
    """Return a text as it stands in a table."""
    return _size(len(text)) + text.encode()
