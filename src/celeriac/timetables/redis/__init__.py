"""A timetable in Redis, a master that Sentinels name, or a Cluster."""

from celeriac.timetables.redis.timetable import RedisTimetable

__all__ = ["RedisTimetable"]
