"""A mailing is one press of a button: ten letters, written at once and sent one by one."""

import uuid
from datetime import timedelta
from typing import Any, Self

from django.conf import settings
from django.core.mail import EmailMessage
from django.db import models, transaction
from django.db.models import F
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from letters import correspondence, post


class Mailing(models.Model):
    """Ten letters and the HTTP request that asked for them."""

    class Way(models.TextChoices):
        REQUEST = "request", _("in the request")
        BACKGROUND = "background", _("in the background")

    way = models.CharField(max_length=10, choices=Way)
    created_at = models.DateTimeField(default=timezone.now)
    #: How long the HTTP request took, in seconds; None while it runs, or if it never got to its end.
    request_seconds = models.FloatField(null=True)

    class Meta:
        ordering = ("-pk",)

    def __str__(self) -> str:
        return f"mailing {self.pk} ({self.way})"

    @classmethod
    def compose(cls, way: Way, *, difficult: bool = False) -> Self:
        """Write ten letters, all waiting; two of them to difficult addresses, if asked."""
        with transaction.atomic():
            mailing = cls.objects.create(way=way)
            Letter.objects.bulk_create(
                Letter(
                    mailing=mailing,
                    recipient=draft.recipient,
                    subject=draft.subject,
                    body=draft.body,
                    # Known before the task is published: the worker may be done before this request is.
                    task_id=str(uuid.uuid4()) if way == cls.Way.BACKGROUND else "",
                )
                for draft in correspondence.drafts(mailing.pk, difficult=difficult)
            )
        return mailing

    @property
    def is_busy(self) -> bool:
        """Whether letters of it are still under way."""
        return any(letter.is_busy for letter in self.letters.all())

    @property
    def tally(self) -> list[tuple[str, str, int]]:
        """How many letters are in each state that occurs: (value, label, number)."""
        states = [letter.state for letter in self.letters.all()]
        return [(state.value, str(state.label), states.count(state)) for state in Letter.State if state in states]

    @property
    def done_after(self) -> timedelta | None:
        """From the press of the button to the last letter; None while letters are under way."""
        ends = [letter.finished_at for letter in self.letters.all()]
        if not ends or any(end is None for end in ends):
            return None
        return max(end for end in ends if end is not None) - self.created_at


class Letter(models.Model):
    """One letter. Its state only moves by the methods below, each a single conditional UPDATE, safe to repeat.

    ::

        waiting ── begin ──> sending ── mark_sent ──> sent
                             │  ^  │
               mark_delayed  │  │  │ mark_failed
                             v  │  v
                         delayed  failed        waiting, sending ── cut_off ──> cut off (only without a task)

    From every state but `sent` it can be begun again: a delayed letter when its task is retried, the others when their
    task is run once more, because a worker was killed. That may happen after the SMTP server took the letter and before
    that was written down; then it goes out twice. The letter's page says so, and both copies carry the same Message-ID.
    """

    class State(models.TextChoices):
        WAITING = "waiting", _("waiting")
        SENDING = "sending", _("sending")
        DELAYED = "delayed", _("waiting for another attempt")
        SENT = "sent", _("sent")
        FAILED = "failed", _("failed")
        CUT_OFF = "cut-off", _("cut off")

    mailing = models.ForeignKey(Mailing, on_delete=models.CASCADE, related_name="letters")
    recipient = models.EmailField()
    subject = models.CharField(max_length=200)
    body = models.TextField()
    state = models.CharField(max_length=10, choices=State, default=State.WAITING)
    #: How often sending it was begun.
    attempts = models.PositiveSmallIntegerField(default=0)
    #: How many of these attempts ended with an answer that it is to be tried again later.
    delays = models.PositiveSmallIntegerField(default=0)
    #: The id of the task that sends it; empty if it is sent in the request.
    task_id = models.CharField(max_length=64, blank=True)
    #: The newest refusal, in one line.
    error = models.TextField(blank=True)
    begun_at = models.DateTimeField(null=True)
    finished_at = models.DateTimeField(null=True)

    class Meta:
        ordering = ("pk",)

    def __str__(self) -> str:
        return f"letter {self.pk} to {self.recipient}"

    def get_absolute_url(self) -> str:
        return reverse("letters:letter", args=[self.pk])

    @property
    def is_busy(self) -> bool:
        return self.state in {self.State.WAITING, self.State.SENDING, self.State.DELAYED}

    @property
    def state_text(self) -> str:
        """Its state in words; more than a label where it waits for another attempt."""
        if self.state == self.State.DELAYED:
            return gettext("waiting for attempt %(number)d") % {"number": self.attempts + 1}
        return str(self.State(self.state).label)

    @property
    def may_be_doubled(self) -> bool:
        """Whether an attempt ended without an answer, so that nobody knows whether the letter went out with it."""
        return self.attempts > self.delays + 1

    @property
    def message_id(self) -> str:
        """The same at every attempt, so that a mail program shows a letter that went out twice once."""
        return f"<{self.mailing_id}.{self.pk}.{self.mailing.created_at:%Y%m%d%H%M%S%f}@example.com>"

    def send(self) -> bool:
        """Send it by SMTP. False if it had been sent before.

        Raises `post.RefusalError`; the letter then still counts as being sent, until `mark_delayed` or `mark_failed`.
        """
        if not self.begin():
            return False
        message = EmailMessage(
            subject=self.subject,
            body=self.body,
            from_email=settings.DEFAULT_FROM_EMAIL,
            to=[self.recipient],
            headers={"Message-ID": self.message_id},
        )
        post.hand_over(message)
        self.mark_sent()
        return True

    def begin(self) -> bool:
        """Count an attempt. False if the letter has been sent already."""
        return self._move(
            set(self.State) - {self.State.SENT},
            state=self.State.SENDING,
            attempts=F("attempts") + 1,
            begun_at=timezone.now(),
            finished_at=None,
            error="",
        )

    def mark_sent(self) -> bool:
        """Write down that the SMTP server took it."""
        return self._move(
            {self.State.SENDING, self.State.FAILED}, state=self.State.SENT, finished_at=timezone.now(), error=""
        )

    def mark_delayed(self, error: BaseException | None) -> bool:
        """Write down why it could not be sent now and will be tried again."""
        return self._move(
            {self.State.SENDING}, state=self.State.DELAYED, delays=F("delays") + 1, error=str(error or "")
        )

    def mark_failed(self, error: BaseException) -> bool:
        """Write down why it could not be sent. A letter that was sent stays sent."""
        return self._move(
            {self.State.WAITING, self.State.SENDING, self.State.DELAYED},
            state=self.State.FAILED,
            finished_at=timezone.now(),
            error=str(error) or type(error).__name__,
        )

    @classmethod
    def cut_off_all(cls) -> int:
        """Give up the letters of requests that ended with the site's process; how many there were.

        To be called while the site is down. Nobody would send them any more: that is the price of work in the request.
        """
        return cls.objects.filter(
            mailing__way=Mailing.Way.REQUEST, state__in=[cls.State.WAITING, cls.State.SENDING]
        ).update(state=cls.State.CUT_OFF, finished_at=timezone.now())

    def _move(self, origins: set[State], **changes: Any) -> bool:
        moved = Letter.objects.filter(pk=self.pk, state__in=origins).update(**changes)
        self.refresh_from_db()
        return bool(moved)
