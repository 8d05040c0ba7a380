"""Results sent through RabbitMQ to whoever asked for the task: Celery's ``rpc://`` (``celery/backends/rpc.py``)."""

from celeriac.backends.rpc.backend import RpcBackend

__all__ = ["RpcBackend"]
