"""A program that runs beside others in one terminal."""

import signal
from collections.abc import Mapping
from dataclasses import dataclass, field

__all__ = ["Program"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Program:
    """What to start, what to call it, and how it wants to be ended."""

    #: What its lines begin with.
    name: str
    #: What sentences call it.
    title: str
    #: A colour's name as click has it.
    color: str
    command: tuple[str, ...]
    #: What is changed in its environment.
    environment: Mapping[str, str] = field(default_factory=dict)
    #: The OS signal that asks it to end, and whether all processes of its group are asked.
    stop_signal: signal.Signals = signal.SIGTERM
    stops_as_group: bool = False
    #: What a second Ctrl-C sends to it.
    hard_signal: signal.Signals = signal.SIGKILL
    #: Seconds it may take to end before it is killed; None: it has a limit of its own.
    patience: float | None = 5.0
    #: Asked to end only after the others have ended.
    outlives_others: bool = False
