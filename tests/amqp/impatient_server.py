"""A RabbitMQ that bears unsettled deliveries for some seconds only, and looks every second."""

from collections.abc import Mapping
from pathlib import Path

from tests.servers.rabbit_server import RabbitServer

__all__ = ["ImpatientServer"]


class ImpatientServer(RabbitServer):
    """``patience``: its ``consumer_timeout`` in seconds, 30 minutes elsewhere."""

    def __init__(self, directory: Path, *, patience: float) -> None:
        super().__init__(directory, settings={"consumer_timeout": str(int(patience * 1000))})

    def environment(self) -> Mapping[str, str]:
        environment = dict(super().environment())
        # Once a minute, elsewhere. There is no line of rabbitmq.conf for it.
        environment["RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS"] += " -rabbit channel_tick_interval 1000"
        return environment
