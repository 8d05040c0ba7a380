"""Keeps what is published, as the two signals around each publish tell it.

They are sent in the process that publishes: the site for a press of a button, the worker for a retry.
"""

from collections.abc import Mapping
from typing import Any

from django.utils import timezone

from celeriac.signals import after_task_publish, before_task_publish
from insight.models import PublishedMessage


def connect() -> None:
    """Begin to record in this process. Safe to call twice."""
    before_task_publish.connect(note_properties, dispatch_uid="insight")
    after_task_publish.connect(note_body, dispatch_uid="insight")


def note_properties(sender: str, headers: Mapping[str, Any], properties: Mapping[str, Any], **kwargs: Any) -> None:
    """Note the head of a message that is about to be published."""
    address = {"exchange": kwargs["exchange"], "routing_key": kwargs["routing_key"]}
    PublishedMessage.objects.update_or_create(
        task_id=headers["id"],
        retries=headers["retries"],
        defaults={
            "task_name": sender,
            "origin": headers["origin"],
            "headers": dict(headers),
            "properties": {**properties, **address},
        },
    )


def note_body(headers: Mapping[str, Any], body: bytes, **_kwargs: Any) -> None:
    """Note the body of a message that the broker has taken, with its headers as they were in the end."""
    PublishedMessage.objects.filter(task_id=headers["id"], retries=headers["retries"]).update(
        headers=dict(headers), body=body, published_at=timezone.now()
    )
