"""Timetables: where schedule entries lie, and who has claimed which of their moments. ``base`` is the port."""
