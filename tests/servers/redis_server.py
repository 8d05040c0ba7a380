"""A private Redis: its own port, directory and switches."""

import socket
import ssl
from collections.abc import Sequence
from pathlib import Path

from tests.servers.certificates import Certificates
from tests.servers.ports import free_port
from tests.servers.programs import need_program
from tests.servers.server_process import ServerProcess

__all__ = ["RedisServer"]


class RedisServer(ServerProcess):
    """One Redis server with an append-only file, so that what it has confirmed survives its death.

    ``fsync`` is ``always`` or ``everysec``. With ``certificates`` it speaks TLS only. ``socket_path`` is always there
    beside the port. ``settings`` are further lines of its configuration (``{"maxmemory": "20mb"}``).
    """

    name = "redis-server"

    def __init__(
        self,
        directory: Path,
        *,
        fsync: str = "always",
        password: str = "",
        certificates: Certificates | None = None,
        settings: dict[str, str] | None = None,
        port: int | None = None,
    ) -> None:
        super().__init__(directory)
        self._program = need_program("redis-server", package="redis-server")
        self.port = port or free_port()
        self.password = password
        self.certificates = certificates
        # The path of a socket has at most 107 bytes; a test's directory may be longer, and so it is left to Redis to
        # make it below its own.
        self.socket_path = directory / "redis.sock"
        self._settings = {
            "appendonly": "yes",
            "appendfsync": fsync,
            "save": '""',
            **(settings or {}),
        }

    @property
    def url(self) -> str:
        """As in ``broker_url``, database 0."""
        scheme = "rediss" if self.certificates else "redis"
        secret = f":{self.password}@" if self.password else ""
        query = f"?ssl_ca_certs={self.certificates.authority}" if self.certificates else ""
        return f"{scheme}://{secret}127.0.0.1:{self.port}/0{query}"

    @property
    def socket_url(self) -> str:
        """The same server by its Unix socket."""
        secret = f":{self.password}@" if self.password else ""
        return f"redis+socket://{secret}{self.socket_path}"

    def command(self) -> Sequence[str]:
        """Return the command line; the settings are in a file, which Sentinel rewrites."""
        configuration = self.directory / "redis.conf"
        if not configuration.exists():
            configuration.write_text("".join(f"{line}\n" for line in self._configuration()))
        return [self._program, str(configuration)]

    def _configuration(self) -> list[str]:
        lines = [
            "bind 127.0.0.1",
            f"dir {self.directory}",
            "daemonize no",
            f"port {0 if self.certificates else self.port}",
        ]
        if len(str(self.socket_path)) < 100:
            lines += [f"unixsocket {self.socket_path}", "unixsocketperm 700"]
        if self.certificates:
            lines += [
                f"tls-port {self.port}",
                f"tls-cert-file {self.certificates.certificate}",
                f"tls-key-file {self.certificates.key}",
                f"tls-ca-cert-file {self.certificates.authority}",
                "tls-auth-clients no",
            ]
        if self.password:
            lines += [f"requirepass {self.password}", f"masterauth {self.password}"]
        return [*lines, *(f"{name} {value}" for name, value in self._settings.items())]

    def is_ready(self) -> bool:
        """Say whether it has read its data and answers."""
        try:
            return b"PONG" in self.ask("PING")
        except OSError:
            return False

    def ask(self, *command: str, timeout: float = 5.0) -> bytes:
        """Send one command and return the raw reply, up to 64 KiB of it."""
        with socket.create_connection(("127.0.0.1", self.port), timeout) as plain:
            if self.certificates is None:
                return self._exchange(plain, command)
            context = ssl.create_default_context(cafile=str(self.certificates.authority))
            with context.wrap_socket(plain, server_hostname="localhost") as secure:
                return self._exchange(secure, command)

    def _exchange(self, connection: socket.socket, command: Sequence[str]) -> bytes:
        if self.password:
            connection.sendall(_pack(["AUTH", self.password]))
            connection.recv(65536)
        connection.sendall(_pack(command))
        return connection.recv(65536)

    def set(self, name: str, value: str) -> None:
        """Change a setting while it runs (CONFIG SET)."""
        reply = self.ask("CONFIG", "SET", name, value)
        assert reply.startswith(b"+OK"), reply


def _pack(command: Sequence[str]) -> bytes:
    parts = [word.encode() for word in command]
    return b"*%d\r\n" % len(parts) + b"".join(b"$%d\r\n%s\r\n" % (len(part), part) for part in parts)
