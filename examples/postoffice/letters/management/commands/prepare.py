"""`manage.py prepare`: what a site needs before it starts.

It sets up the database and the demo's clock, and tidies up after a site that was stopped in the middle of a request.
"""

from typing import Any

from django.core.management import call_command
from django.core.management.base import BaseCommand
from django.utils.translation import ngettext

from daily.models import Clock
from letters.models import Letter


class Command(BaseCommand):
    help = "Set up the database and give up the letters that a request had not sent when the site was stopped."

    def handle(self, **options: Any) -> None:
        call_command("migrate", interactive=False, verbosity=0)
        Clock.set_pace()
        if number := Letter.cut_off_all():
            self.stdout.write(
                ngettext(
                    "%(number)d letter was cut off: the site was stopped before its request had sent it.",
                    "%(number)d letters were cut off: the site was stopped before their request had sent them.",
                    number,
                )
                % {"number": number}
            )
