"""What can go wrong with RabbitMQ, as exceptions and as sentences that say what to do. None holds a password."""

import socket
import ssl

from celeriac.exceptions import BrokerUnavailable

__all__ = ["ConnectionLost", "Refused", "cannot_connect", "handshake_refused"]

ACCESS_REFUSED = 403
NOT_FOUND = 404
RESOURCE_LOCKED = 405
PRECONDITION_FAILED = 406
NOT_ALLOWED = 530
NOT_IMPLEMENTED = 540

_START_IT = "Start it with 'systemctl start rabbitmq-server' or 'docker run -d -p 5672:5672 rabbitmq:4'"


class ConnectionLost(BrokerUnavailable):
    """The connection to RabbitMQ is no more; everything received on it and not settled is given back by the server."""

    #: AMQP's, when the server has said why.
    code = 0


class Refused(BrokerUnavailable):
    """RabbitMQ refused an order and closed its channel; the connection goes on."""

    def __init__(self, sentence: str, *, code: int, text: str) -> None:
        super().__init__(sentence)
        #: AMQP's: 403 no permission, 404 not there, 405 somebody else's, 406 it is there and different.
        self.code = code
        #: The server's own words.
        self.text = text


def cannot_connect(address: str, error: OSError) -> str:
    """Return why nobody could be reached there, and the cure."""
    match error:
        case ssl.SSLCertVerificationError():
            return (
                f"RabbitMQ at {address} shows a certificate that is not trusted ({error.verify_message}). Name the "
                "authority that signed it in broker_use_ssl = {'ca_certs': 'path.pem'}."
            )
        case ssl.SSLError():
            return (
                f"TLS with RabbitMQ at {address} failed ({error.reason or error}). Is this its port for TLS (5671 "
                "usually), and is its certificate in order?"
            )
        case ConnectionRefusedError():
            return f"No RabbitMQ listens on {address}. {_START_IT}, or correct broker_url."
        case TimeoutError():
            return (
                f"RabbitMQ at {address} did not answer in time. Does the host run, and does a firewall let port "
                f"{address.rpartition(':')[2]} through? broker_connection_timeout says how long to wait."
            )
        case socket.gaierror():
            return f"The host of {address} has no address: {error.strerror}. Correct broker_url."
    return f"RabbitMQ at {address} cannot be reached: {error.strerror or error}. {_START_IT}, or correct broker_url."


def handshake_refused(address: str, *, user: str, vhost: str, code: int, text: str) -> str:
    """Return why the server ended the connection before it was open, and the cure."""
    if code == ACCESS_REFUSED:
        return (
            f"RabbitMQ at {address} refuses the user {user!r} or the password given with it. Correct broker_url, or "
            f"make the user: 'rabbitmqctl add_user {user} …'. (guest may connect from the server's own host only.)"
        )
    if code == NOT_ALLOWED and "access to vhost" in text:
        return (
            f"RabbitMQ at {address} does not let the user {user!r} into the virtual host {vhost!r}. Allow it: "
            f"rabbitmqctl set_permissions -p {vhost} {user} '.*' '.*' '.*'"
        )
    if code == NOT_ALLOWED and "vhost" in text:
        return (
            f"RabbitMQ at {address} has no virtual host {vhost!r}. Make it with 'rabbitmqctl add_vhost {vhost}' and "
            f"'rabbitmqctl set_permissions -p {vhost} {user} …', or correct the end of broker_url ('//' means '/')."
        )
    if not code:
        return (
            f"What listens on {address} closed the connection before it was open, as a RabbitMQ does that is starting "
            f"or stopping. {_START_IT}; or is this another port than that of AMQP (5672; with TLS 5671)?"
        )
    return f"RabbitMQ at {address} refused the connection: {text} ({code})."


def refused(code: int, text: str) -> Refused:
    """Return the error for an order that the server answered by closing the channel."""
    return Refused(_SENTENCES.get(code, "RabbitMQ refused: {text}.").format(text=text), code=code, text=text)


_SENTENCES = {
    ACCESS_REFUSED: "RabbitMQ does not allow it: {text}. Give the user the permission with 'rabbitmqctl "
    "set_permissions'.",
    NOT_FOUND: "RabbitMQ does not have it: {text}.",
    RESOURCE_LOCKED: "It belongs to another connection: {text}.",
    PRECONDITION_FAILED: "It is there already and is different: {text}. Declare it as it is, or delete it first.",
}
