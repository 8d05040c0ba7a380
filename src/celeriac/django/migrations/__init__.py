"""Migrations of the tables of ``celeriac.django``."""
