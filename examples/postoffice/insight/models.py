"""What was handed to the broker, kept so that it can be looked at."""

import json
from typing import Any

from django.db import models
from django.utils import timezone


class PublishedMessage(models.Model):
    """The message of one call of a task. A task that is retried has several, told apart by their number of retries."""

    task_id = models.CharField(max_length=64)
    task_name = models.CharField(max_length=200)
    retries = models.PositiveSmallIntegerField(default=0)
    #: Whoever published it: a process id and a machine, as the message has them.
    origin = models.CharField(max_length=200)
    headers = models.JSONField()
    properties = models.JSONField()
    #: Byte for byte.
    body = models.BinaryField(default=b"")
    published_at = models.DateTimeField(default=timezone.now)

    class Meta:
        ordering = ("retries",)
        constraints = (models.UniqueConstraint(fields=("task_id", "retries"), name="one_message_for_each_attempt"),)

    def __str__(self) -> str:
        return f"message of {self.task_name}[{self.task_id}], retry {self.retries}"

    @property
    def attempt(self) -> int:
        return self.retries + 1

    @property
    def headers_text(self) -> str:
        return in_lines(self.headers)

    @property
    def properties_text(self) -> str:
        return in_lines(self.properties)

    @property
    def body_text(self) -> str:
        """The body as it is, but for line breaks and indents that make JSON readable."""
        text = bytes(self.body).decode("utf-8", "replace")
        try:
            return in_lines(json.loads(text))
        except ValueError:
            return text

    @property
    def body_size(self) -> int:
        """In bytes."""
        return len(self.body)


def in_lines(value: Any) -> str:
    return json.dumps(value, indent=2, ensure_ascii=False)
