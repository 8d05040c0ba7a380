"""``give-back``: where Celery has no workers, it says so. What it does is tested on Redis and RabbitMQ."""

from tests.cli.conftest import Project


def test_there_is_nobody_to_give_anything_back_to_on_sqlite(project: Project):
    result = project.app("give-back", "--force")
    assert result.exit_code == 2
    assert "Celery has no workers on sqlite:///" in result.stderr
    assert "give-back is for Redis and RabbitMQ" in result.stderr
