"""From Redis' errors to sentences that say what to do."""

import re
from typing import Final

from celeriac.exceptions import OperationalError

__all__ = ["RedisRefused", "RedisUnavailable", "ReplyError", "explain_away", "explain_reply"]

#: The oldest server that has what the scripts need.
OLDEST_SERVER: Final = (6, 2)


class ReplyError(Exception):
    """An error as the server answered it: the value of one reply among several. Never leaves the engines."""

    @property
    def code(self) -> str:
        """The first word, such as ``OOM``, ``NOSCRIPT`` or ``READONLY``; also of what went wrong inside a script."""
        return _innermost(str(self)).partition(" ")[0]


class RedisUnavailable(OperationalError):  # noqa: N818 - as its relatives in the tree are called
    """There is no connection, or it broke: after this error the next call connects anew."""

    def __init__(self, message: str, *, maybe_done: bool = False) -> None:
        super().__init__(message)
        #: The server may have done what it was told; False: certainly not.
        self.maybe_done = maybe_done


class RedisRefused(OperationalError):  # noqa: N818 - the same
    """The server answered with an error and did nothing."""

    def __init__(self, message: str, *, code: str) -> None:
        super().__init__(message)
        self.code = code


def explain_away(server: str, cause: BaseException) -> str:
    """Return what to do about a server that cannot be reached."""
    text = str(cause)
    if "refused" in text or "No such file" in text:
        return _nobody(server, text)
    if "Name or service not known" in text or "name resolution" in text or "No address associated" in text:
        return f"The host of the Redis server {server} is not known ({_short(text)}). Correct the URL."
    if "CERTIFICATE" in text or "certificate" in text:
        return (
            f"The certificate of the Redis server {server} is not accepted ({_short(text)}). Name the authority that "
            "signed it with ssl_ca_certs, or switch the check off with ssl_cert_reqs=none if the network is your own."
        )
    if "SSL" in text or "TLS" in text:
        return f"The Redis server at {server} does not speak TLS as it was asked to ({_short(text)})."
    if isinstance(cause, TimeoutError) or "Timeout" in text or "timed out" in text:
        return (
            f"The Redis server at {server} did not answer in time. "
            "Look whether it runs ('redis-cli ping') and whether a firewall drops the packets."
        )
    if "connecting to" in text or "while reading from" in text:
        # What redis-py says while it connects: something between takes connections for a server that is not there.
        return _nobody(server, text)
    if "No route" in text or "unreachable" in text:
        return (
            f"The Redis server at {server} cannot be reached ({_short(text)}). Look at the network, or correct the URL."
        )
    return f"The connection to the Redis server at {server} broke ({_short(text)}); the next call makes another."


def _nobody(server: str, text: str) -> str:
    return (
        f"No Redis server answers at {server} ({_short(text)}). "
        "Start it with 'systemctl start redis-server' or 'docker run -d -p 6379:6379 redis', or correct the URL."
    )


def explain_reply(server: str, text: str) -> str:
    """Return what to do about an error that the server answered."""
    text = _innermost(text)
    code = text.partition(" ")[0]
    for pattern, sentence in _SENTENCES.items():
        if re.match(pattern, text):
            return sentence.format(server=server, text=text, code=code)
    return f"The Redis server at {server} refused: {text}."


def _innermost(text: str) -> str:
    """Return the error inside a script's: Redis 7 gives it as it is, Redis 6 wraps it up."""
    wrapped = re.match(r"ERR Error running script .*?: -([A-Z]+ .*)", text)
    return wrapped[1] if wrapped else text


def _short(text: str) -> str:
    return " ".join(text.split())[:200].rstrip(".")


#: What an answer begins with, and the sentence for it.
_SENTENCES: Final = {
    r"NOAUTH|.*Authentication required|.*client already authenticated|.*called without any password": (
        "The Redis server at {server} wants a password. Write it into the URL: redis://:PASSWORD@host:6379/0."
    ),
    r"WRONGPASS|.*invalid (username-password|password)": (
        "The Redis server at {server} does not accept this user and password. Correct them in the URL "
        "(redis://USER:PASSWORD@host:6379/0; characters such as @ and / are written as %40 and %2F)."
    ),
    r"NOPERM|.*no permissions|.*can't run this command": (
        "The user of the Redis server at {server} lacks a right ({text}). "
        "Grant it, for example with 'ACL SETUSER name +@all ~* &*'."
    ),
    r"OOM": (
        "The Redis server at {server} has reached its maxmemory and takes nothing more. "
        "Raise maxmemory ('redis-cli config set maxmemory 2gb') or let workers empty the queues."
    ),
    r"READONLY": (
        "The Redis server at {server} is a replica and takes no writes: a fail-over may just have happened. "
        "Connect through sentinel:// to be sent to the new master, or correct the URL."
    ),
    r"LOADING|.*loading the dataset": (
        "The Redis server at {server} is still reading its data from disk. Try again soon."
    ),
    r"MISCONF": (
        "The Redis server at {server} takes no writes because it could not save to its disk. "
        "Look at the server's log and the space on its disk."
    ),
    r"MASTERDOWN": "The Redis server at {server} has lost its master and answers nothing. Look at the master.",
    r"NOREPLICAS": (
        "The Redis server at {server} takes no writes because it has too few replicas (min-replicas-to-write)."
    ),
    r"CLUSTERDOWN": (
        "The Redis Cluster at {server} is down: some slots have no node. Look at 'redis-cli cluster info'."
    ),
    r"MOVED|ASK|CROSSSLOT|.*SELECT is not allowed in cluster mode": (
        "The Redis server at {server} is a node of a Cluster ({code}). "
        "Write redis+cluster:// in place of redis://, and no database number."
    ),
    r".*cluster support disabled": (
        "The Redis server at {server} is no Cluster: write redis:// in place of redis+cluster://."
    ),
    r".*DB index is out of range|.*invalid DB index": (
        "The Redis server at {server} has no database of this number. "
        "Choose a smaller one (0 to 15, unless the server's 'databases' says otherwise)."
    ),
    r".*unknown command .?HELLO|NOPROTO": (
        "The Redis server at {server} is too old: celeriac needs Redis 6.2 or newer, or Valkey. "
        "Update it ('redis-server --version' says what it is); for a proxy that does not know RESP3 write ?protocol=2."
    ),
    r".*unknown command .?SENTINEL": (
        "At {server} is a Redis server and no Sentinel: name the Sentinels' ports (usually 26379), or write redis://."
    ),
    r".*max number of clients": (
        "The Redis server at {server} has no room for another connection. "
        "Raise its maxclients, or look in 'redis-cli client list' for who holds them."
    ),
    r"BUSY": (
        "The Redis server at {server} is busy with somebody's script. "
        "'redis-cli script kill' ends it if it has written nothing."
    ),
}
