"""Keeps what is published, as the two signals around each publish tell it.

They are sent in the process that publishes: the site for a press of a button, the worker for a retry.
"""

from collections.abc import Mapping
from typing import Any

from celeriac.signals import after_task_publish, before_task_publish
from insight.models import PublishedMessage

#: Properties of messages on their way to the broker, by task id.
_about_to_go: dict[str, dict[str, Any]] = {}


def connect() -> None:
    """Begin to record in this process. Safe to call twice."""
    before_task_publish.connect(note_properties, dispatch_uid="insight")
    after_task_publish.connect(note_body, dispatch_uid="insight")


def note_properties(headers: Mapping[str, Any], properties: Mapping[str, Any], **kwargs: Any) -> None:
    """Keep in mind what only the signal before the publish tells."""
    address = {"exchange": kwargs["exchange"], "routing_key": kwargs["routing_key"]}
    _about_to_go[headers["id"]] = {**properties, **address}


def note_body(sender: str, headers: Mapping[str, Any], body: bytes, **_kwargs: Any) -> None:
    """Record a message that the broker has taken, in one statement: a request that publishes should stay quick."""
    message = PublishedMessage(
        task_id=headers["id"],
        retries=headers["retries"],
        task_name=sender,
        origin=headers["origin"],
        headers=dict(headers),
        properties=_about_to_go.pop(headers["id"], {}),
        body=body,
    )
    # A task that runs again after its process was killed publishes the same retry again.
    PublishedMessage.objects.bulk_create(
        [message],
        update_conflicts=True,
        unique_fields=("task_id", "retries"),
        update_fields=("headers", "properties", "body", "published_at"),
    )
