"""What an engine can tell of its server, and of what it has given back to Celery. Pure values of the ports."""

from typing import Literal

from msgspec import Struct

__all__ = ["GivenBack", "Remark"]


class Remark(Struct, frozen=True, kw_only=True):
    """Something worth knowing about the server behind an engine: how it keeps what it is given, what it can lose."""

    #: One sentence or two, with the cure if there is something to cure.
    sentence: str
    #: ``ok``: as it should be. ``note``: nothing has to be done. ``wrong``: something has to be.
    weight: Literal["ok", "note", "wrong"] = "note"


class GivenBack(Struct, frozen=True, kw_only=True):
    """How many messages were written where a Celery worker finds them."""

    #: They waited for their moment; Celery's worker waits for it now.
    delayed: int = 0
    #: Nodes had taken them that are no more.
    in_flight: int = 0
    #: They were dead letters.
    dead: int = 0
    #: They wait for their moment where Celery finds them by itself; None: nobody can count them.
    left_waiting: int | None = 0
