"""Settings of the post office, an example site that sends letters through celeriac.

A celeriac line is marked with (c). A site of your own needs only the first of them.
"""

import os
from pathlib import Path

import django

from celeriac.schedules import crontab
from daily.demo_time import DemoDays

BASE_DIR = Path(__file__).resolve().parent.parent

#: Where this instance keeps its databases. Two demos at once have a directory each: see demo.py.
STATE_DIR = Path(os.environ.get("POSTOFFICE_DIRECTORY", BASE_DIR / "var")).resolve()
STATE_DIR.mkdir(parents=True, exist_ok=True)

DEBUG = True
SECRET_KEY = "an example that listens on this machine only; a real site keeps its key secret"
ALLOWED_HOSTS = os.environ.get("POSTOFFICE_HOSTS", "localhost,127.0.0.1,[::1]").split(",")

INSTALLED_APPS = [
    "django.contrib.sessions",
    "django.contrib.staticfiles",
    "celeriac.django",  # (c)
    "letters",
    "experiments",
    "daily",
    "insight",
]

# (c) Celery's names work here: CELERY_ and the name of the setting in capitals.
CELERY_TASK_TRACK_STARTED = True

# (c) Without these lines messages and results lie in celeriac.sqlite3 beside manage.py. Here they lie in the state
# directory, so that two demos don't take each other's letters. With CELERIAC_BROKER_URL=redis://127.0.0.1:6379 or
# CELERIAC_BROKER_URL=amqp://127.0.0.1:5672 they go through a server, and two demos that share it have a queue each.
FILE = f"sqlite:///{STATE_DIR / 'celeriac.sqlite3'}"
MESSAGES = os.environ.get("CELERIAC_BROKER_URL") or FILE
CELERIAC = {
    "broker_url": MESSAGES,
    # RabbitMQ keeps no results.
    "result_backend": FILE if MESSAGES.startswith(("amqp", "pyamqp")) else MESSAGES,
}
if QUEUE := os.environ.get("POSTOFFICE_QUEUE"):
    CELERIAC["task_default_queue"] = QUEUE
    if MESSAGES.startswith("redis") and "global_keyprefix" not in MESSAGES:
        # And a timetable each.
        CELERIAC["broker_transport_options"] = {"global_keyprefix": f"{QUEUE}:"}
        CELERIAC["result_backend_transport_options"] = {"global_keyprefix": f"{QUEUE}:"}

# (c) Expired results, old dead letters and expired sessions are tidied up once a day.
CELERIAC["beat_housekeeping"] = True

# A day of this site's own clock, in seconds: nobody wants to wait for tomorrow to see that.
DAY_SECONDS = int(os.environ.get("POSTOFFICE_DAY_SECONDS", "60"))
# (c) Tasks on a schedule. In a site of your own "schedule" is the crontab alone; DemoDays reads it on the clock above.
# The second entry takes the place of the one that beat_housekeeping has added.
CELERIAC["beat_schedule"] = {
    "daily report": {
        "task": "daily.tasks.write_report",
        "schedule": DemoDays(crontab(hour=7, minute=0)),
    },
    "celeriac.django.tasks.clearsessions": {
        "task": "celeriac.django.tasks.clearsessions",
        "schedule": DemoDays(crontab(hour=3, minute=10)),
    },
}

DATABASES = {
    "default": {
        "ENGINE": "django.db.backends.sqlite3",
        "NAME": STATE_DIR / "site.sqlite3",
        "OPTIONS": {
            # The site and the worker write to one file: readers must not wait for writers, and a writer waits its turn.
            "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL;",
            "transaction_mode": "IMMEDIATE",
            "timeout": 20,
        },
    }
}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

# The local SMTP server of smtp_server.py: it takes 0.7 s a letter, as a real one would.
SMTP_HOST = os.environ.get("POSTOFFICE_SMTP_HOST", "127.0.0.1")
SMTP_PORT = int(os.environ.get("POSTOFFICE_SMTP_PORT", "8025"))
SMTP_TIMEOUT = 30  # seconds
DEFAULT_FROM_EMAIL = SERVER_EMAIL = "post.office@example.com"
EMAIL_SUBJECT_PREFIX = ""
# The daily report goes to them. Before Django 6 each is a pair of name and address.
ADMINS = ["postmaster@example.com"] if django.VERSION >= (6, 0) else [("Postmaster", "postmaster@example.com")]
if django.VERSION >= (6, 1):
    MAILERS = {
        "default": {
            "BACKEND": "django.core.mail.backends.smtp.EmailBackend",
            "OPTIONS": {"host": SMTP_HOST, "port": SMTP_PORT, "timeout": SMTP_TIMEOUT},
        }
    }
else:
    EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    EMAIL_HOST = SMTP_HOST
    EMAIL_PORT = SMTP_PORT
    EMAIL_TIMEOUT = SMTP_TIMEOUT

MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "django.middleware.locale.LocaleMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
]
ROOT_URLCONF = "postoffice.urls"
WSGI_APPLICATION = "postoffice.wsgi.application"
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.template.context_processors.i18n",
            ]
        },
    }
]
STATIC_URL = "static/"

USE_TZ = True
TIME_ZONE = "UTC"  # the page shows times in the reader's own zone
LANGUAGE_CODE = "en"
LANGUAGES = [("en", "English"), ("ru", "Русский")]
LOCALE_PATHS = [BASE_DIR / "locale"]

LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "filters": {"without_polling": {"()": "postoffice.logs.WithoutPolling"}},
    "formatters": {"plain": {"format": "%(message)s"}},
    "handlers": {"request": {"class": "logging.StreamHandler", "formatter": "plain", "filters": ["without_polling"]}},
    "loggers": {"django.server": {"handlers": ["request"], "level": "INFO", "propagate": False}},
}
