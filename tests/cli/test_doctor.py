"""``doctor`` finds what is wrong, says what to do, and leaves no trace; ``report`` keeps secrets."""

import json
import signal

import pytest

from celeriac.brokers.base import Broker
from celeriac.checks.engines import check_file
from celeriac.checks.finding import Grade
from celeriac.version import __version__
from tests.cli.conftest import Project, bury, message, wait_until


def wrong_things(project: Project, name: str) -> list[str]:
    """Return what the doctor calls wrong."""
    result = project.celeriac("-A", name, "doctor", "--json")
    document = json.loads(result.stdout)
    found = [finding["sentence"] for finding in document["findings"] if finding["grade"] == "wrong"]
    assert (result.exit_code, document["wrong"]) == (1 if found else 0, len(found))
    return found


def notes(project: Project, name: str) -> list[str]:
    document = json.loads(project.celeriac("-A", name, "doctor", "--json").stdout)
    return [finding["sentence"] for finding in document["findings"] if finding["grade"] == "note"]


def test_with_a_worker_nothing_is_wrong_and_nothing_is_left_behind(project: Project, broker: Broker):
    project.worker("-n", "one@here")
    result = project.app("doctor")
    assert result.exit_code == 0, result.output
    assert "Nothing is wrong." in result.stdout
    text = " ".join(result.stdout.split())
    assert "a message went there and back" in text
    assert "a result went there and back" in text
    assert "one@here is running: 1 slot, queues celery." in text
    assert broker.queues() == ["celery"]
    assert [node.name for node in broker.nodes()] == ["one@here"]


def test_messages_that_nobody_takes_are_wrong(project: Project, broker: Broker):
    broker.publish([message("t", task_id="1", queue="mail")])
    [sentence] = wrong_things(project, project.name)
    assert sentence.startswith("1 message waits in queue mail, and no running node takes from it.")
    assert sentence.endswith(f"celeriac -A {project.name} worker")
    project.worker()
    [sentence] = wrong_things(project, project.name)
    assert sentence.endswith(f"celeriac -A {project.name} worker -Q mail")


def test_dead_letters_are_wrong(project: Project, broker: Broker):
    bury(broker, message("tasks.a", task_id="1"), reason="Nobody wants it.")
    [sentence] = wrong_things(project, project.name)
    assert "There is 1 dead letter" in sentence
    assert "of tasks.a: Nobody wants it." in sentence


def test_what_a_dead_node_had_is_wrong_while_no_other_runs(project: Project, broker: Broker):
    project.write(
        f"{project.name}.py",
        f"""
        import time
        from celeriac import Celeriac

        app = Celeriac("{project.name}", broker="{project.url}", backend="{project.url}")

        @app.task
        def sleep():
            open("asleep", "w").close()
            time.sleep(60)
        """,
    )
    worker = project.worker()
    project.app("call", f"{project.name}.sleep")
    wait_until((project.directory / "asleep").exists, "running")
    worker.end(signal.SIGKILL)
    assert any("1 message of queue celery were with a node" in each for each in wrong_things(project, project.name))


APP = "from celeriac import Celeriac\napp = Celeriac('x', broker='{url}', backend='{url}', {more})\n{task}"
TASK = "@app.task{options}\ndef t(): pass\n"

WRONG_SETTINGS = {
    "task_time_limit=10, task_soft_time_limit=10": "task_soft_time_limit (10 s) comes too late",
    "task_always_eager=True": "task_always_eager is on",
    "task_serializer='yaml'": "task_serializer is 'yaml', which accept_content (json) does not let",
    "result_serializer='pickle'": "result_serializer is 'pickle'",
    "worker_pool='gevent'": "There is no executor 'gevent'",
    "timezone='Mars/Olympus'": "There is no time zone 'Mars/Olympus'",
    "task_compression='zippy'": "task_compression: ",
}


@pytest.mark.parametrize("settings", WRONG_SETTINGS)
def test_settings_that_do_not_fit_together_are_wrong(project: Project, settings):
    name = project.module(APP.format(url=project.url, more=settings, task=TASK.format(options="")))
    assert any(WRONG_SETTINGS[settings] in sentence for sentence in wrong_things(project, name))


def test_limits_of_one_task_that_do_not_fit_together_are_wrong(project: Project):
    task = TASK.format(options="(soft_time_limit=60)")
    name = project.module(APP.format(url=project.url, more="task_time_limit=30", task=task))
    [sentence] = wrong_things(project, name)
    assert f"The soft time limit of {name}.t (60 s) comes too late: it is killed after 30 s." in sentence


def test_an_app_without_tasks_is_wrong(project: Project):
    name = project.module(APP.format(url=project.url, more="", task=""))
    assert any("The app has no tasks" in sentence for sentence in wrong_things(project, name))


def test_states_that_nobody_stores_are_wrong(project: Project):
    source = APP.format(url=project.url, more="task_track_started=True", task=TASK.format(options=""))
    name = project.module(source.replace(f"backend='{project.url}'", "backend=None"))
    assert any("task_track_started is on, and results are off" in sentence for sentence in wrong_things(project, name))


def test_old_names_and_settings_without_effect_are_noted(project: Project):
    source = f"app.config_from_object({{'BROKER_URL': '{project.url}', 'CELERY_ACKS_LATE': True}})\n"
    name = project.module(f"from celeriac import Celeriac\napp = Celeriac('x')\n{source}{TASK.format(options='')}")
    found = notes(project, name)
    assert "CELERY_ACKS_LATE is a name of Celery 3 and works; today's is task_acks_late." in found
    assert any(sentence.startswith("Results are off") for sentence in found)


@pytest.mark.parametrize(
    ("url", "answer"), [("memory://", "lives inside one process"), ("sqlite:////proc/x.db", "/proc/x.db")]
)
def test_a_broker_that_cannot_serve_is_wrong(project: Project, url, answer):
    name = project.module(APP.format(url=url, more="", task=TASK.format(options="")))
    assert any(answer in sentence for sentence in wrong_things(project, name))


def test_an_app_that_cannot_be_imported_is_wrong(project: Project):
    name = project.module("x = 1\nimport reqests\n")
    result = project.celeriac("-A", name, "doctor")
    assert result.exit_code == 1
    assert "No module named 'reqests'" in " ".join(result.stdout.split())
    assert f"{name}.py, line 2" in result.stdout
    assert "1 thing is wrong." in result.stdout


def test_quiet_says_only_what_is_not_right(project: Project, broker: Broker):
    broker.publish([message("t", task_id="1", queue="mail")])
    output = project.celeriac("-q", "-A", project.name, "doctor").stdout
    assert "Installation" not in output
    assert "1 message waits in queue mail" in output


def test_a_disk_that_is_nearly_full_is_wrong(project: Project, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("celeriac.checks.engines._LITTLE", 1 << 62)
    [finding] = check_file(project.url)
    assert finding.grade is Grade.WRONG
    assert "MiB are free on the disk" in finding.sentence


def test_a_network_file_system_is_wrong(project: Project, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("celeriac.checks.engines._file_system", lambda _: "nfs4")
    assert any("network file system (nfs4)" in each.sentence for each in check_file(project.url))


def test_report_tells_versions_and_settings_without_passwords(project: Project):
    more = "task_time_limit=30, redis_password='s3cret', broker_read_url='amqp://me:s3cret@host'"
    name = project.module(APP.format(url=project.url, more=more, task=TASK.format(options="")))
    result = project.celeriac("-A", name, "report")
    assert result.exit_code == 0
    assert f"celeriac    {__version__}" in result.stdout
    assert f"broker      {project.url}" in result.stdout
    assert "  task_time_limit = 30" in result.stdout
    assert "s3cret" not in result.stdout
    document = json.loads(project.celeriac("-A", name, "report", "--json").stdout)
    assert document["app"]["tasks"] == 1


def test_report_works_without_an_app(project: Project):
    result = project.celeriac("report")
    assert result.exit_code == 0
    assert __version__ in result.stdout
