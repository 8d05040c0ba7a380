"""What Celery has for Django, under its paths; celeriac's own integration is ``celeriac.django``."""
