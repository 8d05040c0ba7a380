"""How a length of time is written."""

from datetime import timedelta

from django import template
from django.utils.formats import number_format
from django.utils.translation import gettext as _

register = template.Library()


@register.filter
def duration(value: float | timedelta) -> str:
    """Milliseconds below one second, else seconds with one digit: `14 ms`, `7.1 s`."""
    seconds = value.total_seconds() if isinstance(value, timedelta) else value
    if seconds < 1:
        return _("%(number)s ms") % {"number": number_format(seconds * 1000, decimal_pos=0)}
    return _("%(number)s s") % {"number": number_format(seconds, decimal_pos=1)}
