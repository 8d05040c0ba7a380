"""What an integration knows of an app that matters while it is being developed."""

from dataclasses import dataclass

__all__ = ["Development"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Development:
    """Where and how an app is developed."""

    #: False: this is production, where nothing is taken up anew; None: nobody knows.
    is_on: bool | None = None
    #: Folders of files that tasks read, besides code: templates, translations.
    resources: tuple[str, ...] = ()
