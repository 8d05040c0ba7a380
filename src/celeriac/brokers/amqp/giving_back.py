"""Handing what celeriac holds to Celery.

On RabbitMQ nearly everything is there already: what a node had taken goes back to its queue when its connection ends,
copies in a hold queue within ten seconds of that; delayed messages wait in Celery's own delay queues and come to their
queues by themselves, as long as these are bound. So that is made sure of, and dead letters are put back.
"""

from collections.abc import Callable, Sequence

from celeriac.brokers.amqp.dead_letters import DeadLetterBox
from celeriac.brokers.remarks import GivenBack

__all__ = ["give_back"]


def give_back(
    queues: Sequence[str], *, dead: bool, bind: Callable[[str], None], dead_letters: DeadLetterBox
) -> GivenBack:
    """Give back what is held of these queues; ``bind`` makes sure that a queue gets what was delayed."""
    for queue in queues:
        bind(queue)
    count = 0
    if dead:
        ids = dict.fromkeys(letter.id for letter in reversed(dead_letters.all()) if letter.queue in queues)
        count = dead_letters.retry(list(ids))
    return GivenBack(dead=count, left_waiting=None)
