"""What the worker does for the post office."""

from typing import Any

from celeriac import Task, shared_task
from letters.models import Letter


class LetterTask(Task):
    """A task whose first argument is a letter's id: when it has failed for good, the letter says so too."""

    def on_failure(self, exc: BaseException, task_id: str, args: Any, kwargs: Any, einfo: Any) -> None:
        """Also called if the worker died under the task too often, or the task ran into its time limit."""
        Letter.objects.get(pk=args[0]).mark_failed(exc)


@shared_task(base=LetterTask)
def send_letter(letter_id: int) -> str:
    """Send one letter; what is returned can be read on the letter's page."""
    letter = Letter.objects.select_related("mailing").get(pk=letter_id)
    if letter.send():
        return f"sent to {letter.recipient}"
    return f"had been sent to {letter.recipient} before: nothing to do"
