"""Results in Redis, under Celery's keys and in Celery's documents."""

from celeriac.backends.redis.backend import RedisBackend

__all__ = ["RedisBackend"]
