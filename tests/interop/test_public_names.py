"""The list of Celery's public names is Celery's own."""

import json
import subprocess

from tests.test_public_api import CELERYS

#: In Celery's lists, and not meant for users: pickling of apps, bookkeeping of the current task, modules.
INTERNAL = {"AppPickler", "pop_current_task", "push_current_task"}

SCRIPT = """
import importlib, json, sys
answer = {}
for module, names in json.load(sys.stdin).items():
    theirs = importlib.import_module(module.replace("celeriac", "celery"))
    absent = [name for name in names.split() if not hasattr(theirs, name)]
    unlisted = [] if module == "celeriac" else sorted(set(theirs.__all__) - set(names.split()))
    answer[module] = [absent, unlisted]
print(json.dumps(answer))
"""


def test_the_names_are_those_of_a_real_celery(peer_python: str) -> None:
    done = subprocess.run(
        [peer_python, "-c", SCRIPT], input=json.dumps(CELERYS), capture_output=True, text=True, check=True, timeout=60
    )
    for module, (absent, unlisted) in json.loads(done.stdout).items():
        assert absent == [], module
        assert set(unlisted) - INTERNAL == set(), module
