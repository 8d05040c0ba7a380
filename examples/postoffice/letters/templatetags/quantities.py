"""How lengths of time and large numbers are written."""

from datetime import timedelta

from django import template
from django.utils.formats import number_format
from django.utils.translation import gettext as _

register = template.Library()


@register.filter
def duration(value: float | timedelta) -> str:
    """Milliseconds below one second, else seconds with one digit: `14 ms`, `7.1 s`."""
    seconds = value.total_seconds() if isinstance(value, timedelta) else value
    # Rounded here: Django's formatter cuts off what is too much.
    milliseconds = round(seconds * 1000)
    if milliseconds < 1000:
        return _("%(number)s ms") % {"number": number_format(milliseconds)}
    return _("%(number)s s") % {"number": number_format(round(seconds, 1), decimal_pos=1)}


@register.filter
def grouped(value: int) -> str:
    """A large whole number as it is written in the page's language: `2,000`, `2 000`."""
    return number_format(value, force_grouping=True)
