"""The lease: how long a node's deliveries are its own, as the node itself sees it."""

__all__ = ["Lease"]


class Lease:
    """A claim that must be renewed; times are seconds on whatever clock the engine uses, passed in."""

    def __init__(self, duration: float, now: float) -> None:
        self.duration = duration
        self.until = now + duration
        #: Held without a break since then.
        self.held_since = now

    def renew(self, now: float) -> bool:
        """Extend it; return False when it had ended before, which breaks its tenure."""
        unbroken = now <= self.until
        if not unbroken:
            self.held_since = now
        self.until = now + self.duration
        return unbroken

    def break_off(self, now: float) -> None:
        """Begin anew: the store has forgotten it."""
        self.held_since = now
        self.until = now + self.duration

    def may_judge_others(self, now: float) -> bool:
        """Say whether it has been held for one whole duration without a break.

        Only then does another node's silence mean that node, and not the store or this process, which may have been
        away or stopped.
        """
        return self.held_since + self.duration <= now <= self.until
