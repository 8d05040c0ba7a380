"""Publishing, with a deadline, and with a word on what is certain when it fails."""

from collections.abc import Callable, Sequence
from typing import Final, TypeVar

from celeriac.backends.base import StoredResult
from celeriac.backends.redis import RedisBackend
from celeriac.brokers.base import DEFAULT_PUBLISH_TIMEOUT
from celeriac.brokers.redis.exchanges import Exchanges
from celeriac.brokers.redis.layout import Layout
from celeriac.brokers.redis.publishing import Placed, Places, PushForm, push_commands
from celeriac.brokers.redis.record import SCRIPTS
from celeriac.exceptions import BrokerUnavailable, MessageRefused, OperationalError, PublishUnconfirmed
from celeriac.protocol.call_form import FilledForm
from celeriac.protocol.message import Message
from celeriac.redis.errors import RedisRefused, RedisUnavailable, ReplyError
from celeriac.redis.packing import Argument, Command, ScriptCall
from celeriac.redis.results import result_arguments, result_key
from celeriac.redis.scripts import load_script
from celeriac.redis.servers import Server

__all__ = ["Publisher", "is_wrong_kind"]

T = TypeVar("T")

_MULTI: Final[Command] = (b"MULTI",)
_EXEC: Final[Command] = (b"EXEC",)


class Publisher:
    """Puts messages where they belong. Safe for many threads."""

    def __init__(self, layout: Layout, server: Server, exchanges: Exchanges) -> None:
        self._layout = layout
        self._server = server
        self._exchanges = exchanges
        self._places = Places(layout, exchanges)

    def publish(self, messages: Sequence[Message], timeout: float) -> None:
        """Publish all in one step."""
        if messages:
            placed = self._place(messages, interop=self._layout.interop)
            self._say_what_is_certain(lambda: self._push(placed, messages, timeout))

    def publish_filled(self, filled: FilledForm, timeout: float) -> None:
        """Publish calls of one form in one step."""
        form, exchanges = filled.form, self._exchanges
        if exchanges.is_some_expiring or form.queue not in exchanges.known:
            self.publish(filled.messages(), timeout)
            return
        push: PushForm | None = form.prepared.get(self)
        if push is None or push.origin != filled.origin or push.reply_to != filled.reply_to:
            if form.exchange or self._layout.is_cluster:
                self.publish(filled.messages(), timeout)
                return
            key = self._layout.list(form.queue, form.priority)
            push = form.prepared[self] = PushForm(filled, key, self._server.pool_of(key.encode()))
        command = push.packed(filled.fillings)
        try:
            push.pool.call_packed(command, timeout=timeout)
        except (RedisUnavailable, RedisRefused) as error:
            raise _what_is_certain(error) from error

    def publish_follow_ups(self, messages: Sequence[Message]) -> None:
        """Publish what one of our nodes follows up with: what is not due waits apart."""
        placed = self._place(messages, interop=False)
        self._say_what_is_certain(lambda: self._push(placed, messages, DEFAULT_PUBLISH_TIMEOUT))

    def publish_with_results(
        self, messages: Sequence[Message], results: Sequence[StoredResult], backend: RedisBackend, timeout: float
    ) -> None:
        """Store results and publish in one step, on one server."""
        placed = self._place(messages, interop=self._layout.interop)
        self._say_what_is_certain(lambda: self._push_with_results(placed, results, backend, timeout))

    def commands(self, message: Message) -> list[tuple[Argument, ...]]:
        """Return the commands that publish a message, for a script of somebody else's; its queue is declared."""
        commands = [placed.arguments() for placed in self._place([message], interop=self._layout.interop)]
        if self._exchanges.is_some_expiring:
            commands += self._exchanges.expiries([message.queue])
        return commands

    def broadcast(self, exchange: str, routing_key: str, payload: bytes) -> None:
        """Send to whoever listens."""
        channel = self._layout.channel(exchange, routing_key)
        pool = self._server.pool_of(self._layout.channel(exchange).encode())
        self._say_what_is_certain(lambda: pool.call(b"PUBLISH", channel, payload))

    def _place(self, messages: Sequence[Message], *, interop: bool) -> list[Placed]:
        """Encode, declare and look up; whatever goes wrong here, nothing has been published."""
        try:
            placed = self._places.place(messages, interop=interop)
            self._exchanges.declare_unknown(messages)
        except (RedisUnavailable, RedisRefused) as error:
            raise BrokerUnavailable(str(error)) from error
        return placed

    def _push(self, placed: Sequence[Placed], messages: Sequence[Message], timeout: float) -> None:
        commands: list[Command] = [*push_commands(placed)]
        if self._exchanges.is_some_expiring:
            commands += self._exchanges.expiries(message.queue for message in messages)
        if self._layout.is_cluster:
            self._push_apart(commands, timeout)
            return
        pool = self._server.pool_of(placed[0].key.encode())
        if len(commands) == 1:
            pool.call(*commands[0], timeout=timeout)
            return
        with pool.connection(timeout=timeout) as connection:
            *queued, done = connection.pipeline([_MULTI, *commands, _EXEC], timeout=timeout)
            failed = [reply for reply in queued if isinstance(reply, ReplyError)]
            if failed or isinstance(done, ReplyError):
                # Refused at the queueing: then nothing of it was done.
                raise connection.explain(failed[0] if failed else done)
        for reply in done:
            if isinstance(reply, ReplyError):
                raise RedisRefused(f"Some of the messages could not be published: {reply}.", code=reply.code)

    def _push_apart(self, commands: Sequence[Command], timeout: float) -> None:
        replies = self._server.scatter([(_key(command), command) for command in commands], timeout=timeout)
        for reply in replies:
            if isinstance(reply, ReplyError):
                raise RedisRefused(f"The Redis Cluster refused messages: {reply}.", code=reply.code)

    def _push_with_results(
        self, placed: Sequence[Placed], results: Sequence[StoredResult], backend: RedisBackend, timeout: float
    ) -> None:
        own, other = self._server.location.database, backend.location.database
        arguments: list[Argument] = [b"" if own == other else other, own, len(results)]
        for result in results:
            arguments += (result_key(backend.prefix, result.task_id), *result_arguments(result))
        for each in placed:
            arguments += each.arguments()
        pool = self._server.pool_of(self._layout.queues.encode())
        pool.run(ScriptCall(load_script(SCRIPTS, "publish"), (), arguments), timeout=timeout)

    def _say_what_is_certain(self, action: Callable[[], T]) -> T:
        try:
            return action()
        except (RedisUnavailable, RedisRefused) as error:
            raise _what_is_certain(error) from error


def _what_is_certain(error: RedisUnavailable | RedisRefused) -> OperationalError:
    """Return what a publish raises that has failed with this error."""
    if isinstance(error, RedisUnavailable):
        if error.maybe_done:
            return PublishUnconfirmed(f"{error} Whether it has taken the messages is not known: they may be published.")
        return BrokerUnavailable(str(error))
    return (MessageRefused if is_wrong_kind(error) else BrokerUnavailable)(str(error))


def is_wrong_kind(error: RedisRefused) -> bool:
    """Say whether a queue's key holds something that is no list: then no message will ever be taken there."""
    return error.code == "WRONGTYPE"


def _key(command: Command) -> bytes:
    key = command[1]
    return key.encode() if isinstance(key, str) else bytes(key)  # type: ignore[arg-type]
