"""A private RabbitMQ: its own node name, ports, data and port mapper."""

import os
import shutil
import socket
import subprocess
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from tests.servers.ports import free_port, is_listening
from tests.servers.programs import need_program
from tests.servers.server_process import ServerProcess

__all__ = ["RabbitServer"]

#: What a server answers to a protocol header is a method frame on channel 0.
_PROTOCOL_HEADER = b"AMQP\x00\x00\x09\x01"


class _PortMapper(ServerProcess):
    """Erlang's epmd, one for each server: the machine's own is not to be spoilt by a node that dies."""

    name = "epmd"

    def __init__(self, directory: Path) -> None:
        super().__init__(directory)
        self.port = free_port()
        self._program = need_program("epmd", package="erlang-base")

    def command(self) -> Sequence[str]:
        return [self._program, "-port", str(self.port), "-address", "127.0.0.1"]

    def is_ready(self) -> bool:
        return is_listening(self.port)


class RabbitServer(ServerProcess):
    """One RabbitMQ server without plugins; starts in some seconds.

    ``settings`` are lines of ``rabbitmq.conf`` (``{"consumer_timeout": "60000"}``).
    """

    name = "rabbitmq-server"

    def __init__(self, directory: Path, *, settings: dict[str, str] | None = None) -> None:
        super().__init__(directory)
        self._program = need_program("rabbitmq-server", package="rabbitmq-server")
        self._mapper = _PortMapper(directory / "epmd")
        self.port = free_port()
        self._distribution_port = free_port()
        self._settings = settings or {}
        self.node_name = f"celeriac-{self.port}@localhost"

    @property
    def url(self) -> str:
        """As in ``broker_url``, the default virtual host."""
        return f"amqp://guest:guest@127.0.0.1:{self.port}//"

    def command(self) -> Sequence[str]:
        return [self._program]

    def environment(self) -> Mapping[str, str]:
        configuration = self.directory / "rabbitmq.conf"
        lines = {"listeners.tcp.default": f"127.0.0.1:{self.port}", "log.file": "false", "log.console": "true"}
        lines |= {"log.console.level": "info", "disk_free_limit.absolute": "10MB"} | self._settings
        configuration.write_text("".join(f"{name} = {value}\n" for name, value in lines.items()))
        plugins = self.directory / "enabled_plugins"
        plugins.write_text("[].\n")
        mine = {
            "HOME": str(self.directory),
            "ERL_EPMD_PORT": str(self._mapper.port),
            "ERL_EPMD_ADDRESS": "127.0.0.1",
            "RABBITMQ_NODENAME": self.node_name,
            "RABBITMQ_NODE_PORT": str(self.port),
            "RABBITMQ_DIST_PORT": str(self._distribution_port),
            "RABBITMQ_MNESIA_BASE": str(self.directory / "data"),
            "RABBITMQ_LOG_BASE": str(self.directory / "log"),
            "RABBITMQ_PID_FILE": str(self.directory / "pid"),
            "RABBITMQ_CONFIG_FILE": str(configuration),
            "RABBITMQ_ADVANCED_CONFIG_FILE": str(self.directory / "none"),
            "RABBITMQ_CONF_ENV_FILE": str(self.directory / "none"),
            "RABBITMQ_ENABLED_PLUGINS_FILE": str(plugins),
            # Few threads that do not spin: it shares the machine with the tests.
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": "+S 2:2 +sbwt none +sbwtdcpu none +sbwtdio none",
            # Then the script replaces itself by the server, whose process id is ours to signal.
            "RUNNING_UNDER_SYSTEMD": "true",
        }
        others = {name: value for name, value in os.environ.items() if not name.startswith(("RABBITMQ_", "ERL_"))}
        return others | mine

    def start(self, *, wait: bool = True) -> None:
        if not self._mapper.is_running:
            self._mapper.start()
        super().start(wait=wait)

    def is_ready(self) -> bool:
        """Say whether it has recovered its queues and greets clients."""
        try:
            with socket.create_connection(("127.0.0.1", self.port), 2.0) as connection:
                connection.sendall(_PROTOCOL_HEADER)
                return connection.recv(1) == b"\x01"
        except OSError:
            return False

    def control(self, *arguments: str, patience: float = 60.0) -> str:
        """Run ``rabbitmqctl`` on this server and return what it says; takes a second or two."""
        program = need_program("rabbitmqctl", package="rabbitmq-server")
        done = subprocess.run(
            [program, "--node", self.node_name, "--quiet", *arguments],
            env=dict(self.environment()),
            cwd=self.directory,
            capture_output=True,
            text=True,
            timeout=patience,
            check=False,
        )
        if done.returncode:
            raise RuntimeError(f"rabbitmqctl {' '.join(arguments)}: {done.stdout}{done.stderr}")
        return done.stdout

    def raise_memory_alarm(self) -> None:
        """Have it block publishers, as when its memory is full."""
        self.control("set_vm_memory_high_watermark", "absolute", "1")
        self._wait_for_alarm(raised=True)

    def end_memory_alarm(self) -> None:
        """Let publishers go on."""
        self.control("set_vm_memory_high_watermark", "0.9")
        self._wait_for_alarm(raised=False)

    def _wait_for_alarm(self, *, raised: bool, patience: float = 30.0) -> None:
        said = ("alarm set", "alarm cleared")
        deadline = time.monotonic() + patience
        while (self._last(said[0]) > self._last(said[1])) != raised:
            if time.monotonic() > deadline:
                raise RuntimeError(f"The alarm did not come or go within {patience:g} s:\n{self.log[-2000:]}")
            time.sleep(0.1)

    def _last(self, text: str) -> int:
        return self.log.rfind(text)

    def close(self) -> None:
        super().close()
        self._mapper.close()

    def forget(self) -> None:
        """Remove its data: the next start finds nothing."""
        assert not self.is_running
        shutil.rmtree(self.directory / "data", ignore_errors=True)
