"""What the site does every day."""

from django.core.mail import mail_admins
from django.utils import timezone

from celeriac import Task, shared_task
from daily.models import Report

TEXT = """\
Since the report before:

  letters sent      {report.letters_sent}
  letters failed    {report.letters_failed}
  tasks published   {report.tasks}

Yours,
the post office
"""


# When it runs, the settings say. A mail that the post does not take is tried again.
@shared_task(bind=True, autoretry_for=(OSError,), max_retries=5, retry_backoff=True)
def write_report(self: Task) -> str:
    """Write down what has happened since the report before, and mail it to the admins."""
    report = Report.write(self.request.id)
    if report.mailed_at is None:
        mail_admins(f"Daily report of {report.day:%d %B, %H:%M}", TEXT.format(report=report))
        report.mailed_at = timezone.now()
        report.save(update_fields=["mailed_at"])
    return f"{report.letters_sent} letters sent, {report.letters_failed} failed, {report.tasks} tasks published"
