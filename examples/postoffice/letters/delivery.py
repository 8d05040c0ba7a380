"""The two ways to get ten letters out."""

from letters.models import Mailing
from letters.post import RefusalError
from letters.tasks import send_letter


def send_in_request(mailing: Mailing) -> None:
    """Send every letter here and now; whoever waits for the answer to this request waits for all of them."""
    for letter in mailing.letters.select_related("mailing"):
        try:
            letter.send()
        except RefusalError as error:  # also for now: a request can't wait until there is room
            letter.mark_failed(error)


def send_in_background(mailing: Mailing) -> None:
    """Publish a task for every letter; a worker sends them.

    Raises celeriac's OperationalError if the broker can't be used; the letters not handed over then say so.
    """
    letters = list(mailing.letters.select_related("mailing"))
    for number, letter in enumerate(letters):
        try:
            send_letter.apply_async(args=(letter.pk,), task_id=letter.task_id)
        except Exception as error:
            for left_over in letters[number:]:
                left_over.mark_failed(error)
            raise
