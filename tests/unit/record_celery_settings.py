"""Write `celery_settings.json` from the Celery that runs this: `python record_celery_settings.py`."""

import json
from datetime import timedelta
from pathlib import Path

from celery.app import defaults

old_names: dict[str, list[str]] = {}
for old, name in defaults._TO_NEW_KEY.items():
    old_names.setdefault(name, []).append(old)

settings = {}
for name, option in sorted(defaults._OPTIONS.items()):
    default = option.default
    if isinstance(default, timedelta):
        default = default.total_seconds()
    settings[name] = (default, sorted(old_names.get(name, [])))

path = Path(__file__).with_name("celery_settings.json")
path.write_text(json.dumps(settings, indent=1) + "\n")
