"""What the worker does for the post office."""

from typing import Any

from celeriac import Task, shared_task
from letters.models import Letter
from letters.post import TemporaryRefusalError


class LetterTask(Task):
    """A task whose first argument is a letter's id: what becomes of the task, the letter says too."""

    def on_retry(self, exc: BaseException | None, task_id: str, args: Any, kwargs: Any, einfo: Any) -> None:
        Letter.objects.get(pk=args[0]).mark_delayed(exc)

    def on_failure(self, exc: BaseException, task_id: str, args: Any, kwargs: Any, einfo: Any) -> None:
        """Also called if the worker died under the task too often, or the task ran into its time limit."""
        Letter.objects.get(pk=args[0]).mark_failed(exc)


# Pauses of 1, 2, 4, 8 and 16 seconds. A real site keeps the jitter, which spreads them; here they are to be watched.
@shared_task(
    base=LetterTask, autoretry_for=(TemporaryRefusalError,), max_retries=5, retry_backoff=True, retry_jitter=False
)
def send_letter(letter_id: int) -> str:
    """Send one letter and return its Message-ID; nothing is done if it has been sent before."""
    letter = Letter.objects.select_related("mailing").get(pk=letter_id)
    letter.send()
    return letter.message_id
