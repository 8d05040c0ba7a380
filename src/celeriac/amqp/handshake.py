"""The beginning of a connection: who we are, who logs in, what both sides can do."""

import time
from typing import TYPE_CHECKING, Any

from celeriac.amqp.errors import ConnectionLost, handshake_refused
from celeriac.amqp.location import Location, Server
from celeriac.amqp.table import write_table
from celeriac.exceptions import BrokerUnavailable
from celeriac.version import __version__

if TYPE_CHECKING:
    from celeriac.amqp.connection import Connection

__all__ = ["shake_hands"]

_PROTOCOL_HEADER = b"AMQP\x00\x00\x09\x01"
#: Bytes of a frame that we take, at most.
_FRAME_MAX = 131072
_CHANNEL_MAX = 2047
_CAPABILITIES = {
    "publisher_confirms": True,
    "exchange_exchange_bindings": True,
    "basic.nack": True,
    "consumer_cancel_notify": True,
    "connection.blocked": True,
    "authentication_failure_close": True,
}


def shake_hands(connection: "Connection", location: Location, *, heartbeat: float, deadline: float, name: str) -> None:
    """Log in and agree on the limits; raises ``BrokerUnavailable`` with the cure."""
    server = connection.server
    try:
        connection.write(_PROTOCOL_HEADER)
        start = connection.await_control(["connection.start"], deadline)
        connection.server_properties = start.arguments[2]
        mechanisms = start.arguments[3].decode("utf-8", "replace").split()
        if location.login_method not in mechanisms:
            raise BrokerUnavailable(
                f"RabbitMQ at {server.address} does not offer the login method {location.login_method}, only "
                f"{', '.join(mechanisms)}. Correct broker_login_method."
            )
        response = _response(location.login_method, server)
        connection.write_method(
            0, "connection.start-ok", _client_properties(name), location.login_method, response, "en_US"
        )
        tune = connection.await_control(["connection.tune"], deadline)
        _agree(connection, tune.arguments, heartbeat)
        connection.write_method(0, "connection.open", server.vhost, "", False)
        connection.await_control(["connection.open-ok"], deadline)
    except ConnectionLost as error:
        code, text = error.code, str(error)
        if not code and time.monotonic() >= deadline:
            raise BrokerUnavailable(text) from error
        raise BrokerUnavailable(
            handshake_refused(server.address, user=server.user, vhost=server.vhost, code=code, text=text)
        ) from error


def _response(method: str, server: Server) -> bytes:
    match method:
        case "PLAIN":
            return f"\0{server.user}\0{server.password}".encode()
        case "AMQPLAIN":
            return write_table({"LOGIN": server.user, "PASSWORD": server.password})[4:]
    # EXTERNAL: the certificate says it all.
    return b""


def _client_properties(name: str) -> dict[str, Any]:
    return {
        "product": "celeriac",
        "version": __version__,
        "platform": "Python",
        "connection_name": name,
        "capabilities": _CAPABILITIES,
    }


def _agree(connection: "Connection", offered: tuple[Any, ...], heartbeat: float) -> None:
    """Take the smaller of what both want; a heartbeat is ours to choose, none included."""
    channel_max, frame_max, _ = offered
    connection.channel_max = min(channel_max or _CHANNEL_MAX, _CHANNEL_MAX)
    connection.frame_max = min(frame_max or _FRAME_MAX, _FRAME_MAX)
    connection.write_method(0, "connection.tune-ok", connection.channel_max, connection.frame_max, round(heartbeat))
    connection.heartbeat = float(round(heartbeat))
