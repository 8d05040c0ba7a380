"""What is written, and to whom."""

from typing import NamedTuple

from django.utils.translation import gettext as _

#: Addresses that the SMTP server of this example refuses: the one for good, the other until the third attempt.
WRONG_ADDRESS = "nobody@example.org"
FULL_ADDRESS = "full@example.org"

PEOPLE = (
    ("Ada", "ada@example.org"),
    ("Boris", "boris@example.org"),
    ("Chiara", "chiara@example.org"),
    ("Dmitri", "dmitri@example.org"),
    ("Esther", "esther@example.org"),
    ("Farid", "farid@example.org"),
    ("Grace", "grace@example.org"),
    ("Hiro", "hiro@example.org"),
    ("Ines", "ines@example.org"),
    ("Jonas", "jonas@example.org"),
)


class Draft(NamedTuple):
    """A letter not yet written down."""

    recipient: str
    subject: str
    body: str


def drafts(number: int, *, difficult: bool) -> list[Draft]:
    """The ten letters of mailing `number`; if asked, two of them to difficult addresses."""
    difficult_addresses = {3: FULL_ADDRESS, 6: WRONG_ADDRESS} if difficult else {}
    return [
        Draft(
            recipient=difficult_addresses.get(position, address),
            subject=_("Post office, issue %(number)d: hello %(name)s") % {"number": number, "name": name},
            body=_(
                "Dear %(name)s,\n\n"
                "this is letter %(position)d of ten. It took the post 0.7 seconds to accept it.\n"
                "If somebody had to wait for that in front of a web page, please accept our apologies.\n\n"
                "Yours,\nthe post office\n"
            )
            % {"name": name, "position": position},
        )
        for position, (name, address) in enumerate(PEOPLE, start=1)
    ]
