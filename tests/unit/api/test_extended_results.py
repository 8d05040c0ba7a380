"""What ``result_extended`` keeps of a call, whatever the call was made of."""

from collections.abc import Callable

from celeriac import Celeriac
from tests.unit.api.bench import Bench


def test_arguments_that_results_cannot_hold_are_shown_and_the_task_runs(make_app: Callable[..., Celeriac]) -> None:
    url = "memory://extended"
    app = make_app(
        broker=url, backend=url, result_extended=True, task_track_started=True, accept_content=["json", "pickle"]
    )

    @app.task(serializer="pickle")
    def count(words: set[str]) -> int:
        return len(words)

    result = count.delay({"one"})
    with Bench(app) as bench:
        delivery = bench.receive()
        assert delivery is not None
        execution = bench.execution(delivery)
        started = execution.started_result()
        assert started is not None
        assert app.result_format.read(started).args == "({'one'},)"
        bench.settle(delivery, execution.run())
    assert result.get(timeout=1) == 1
    assert result.args == "({'one'},)"
