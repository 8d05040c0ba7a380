"""Events: facts about workers and tasks, told to whoever listens, in Celery's form.

=============  =========================================================================
``event``      one fact, as a value, and as Celery's monitors read it
``lamport``    the clock that orders events of several processes
``dispatcher`` says an event on the channel where monitors listen
=============  =========================================================================

Events are for watching. Nothing depends on their arrival, and nobody keeps them.
"""

from celeriac.events.dispatcher import EventDispatcher
from celeriac.events.event import Event
from celeriac.events.lamport import LamportClock

__all__ = ["Event", "EventDispatcher", "LamportClock"]
