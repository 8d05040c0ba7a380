"""celeriac in a Django site: ``INSTALLED_APPS += ["celeriac.django"]``."""
