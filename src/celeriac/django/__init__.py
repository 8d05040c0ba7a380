"""celeriac in a Django site.

``INSTALLED_APPS += ["celeriac.django"]`` is all that is needed: tasks are functions with ``@shared_task`` in the module
``tasks`` of any app. Settings are Celery's with the prefix ``CELERY_``, or the dict ``CELERIAC``; without any, messages
and results are in ``celeriac.sqlite3`` in ``BASE_DIR``.
"""
