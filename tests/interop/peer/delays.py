"""Celery's side of ``test_native_delays.py``: delays as Celery has them on quorum queues, run by its own interpreter.

``send URL QUEUE SECONDS`` publishes a task that is to wait; ``work URL QUEUE`` is a worker.
"""

import sys

import celery
from kombu import Exchange, Queue

command, url, queue = sys.argv[1:4]

app = celery.Celery("delays", broker=url, backend="rpc://")
app.conf.update(
    task_queues=[
        Queue(
            queue,
            Exchange(f"{queue}-exchange", type="topic"),
            routing_key=f"{queue}.urgent",
            queue_arguments={"x-queue-type": "quorum"},
        )
    ],
    task_default_queue=queue,
    task_default_exchange=f"{queue}-exchange",
    task_default_exchange_type="topic",
    task_default_routing_key=f"{queue}.urgent",
    broker_connection_retry_on_startup=True,
)


@app.task(name="delays.look", bind=True)
def look(self, value):
    """Return what arrived, and by which way."""
    return [value, self.request.eta, self.request.delivery_info["routing_key"].rpartition(".")[2]]


if __name__ == "__main__":
    match command:
        case "send":
            print(look.apply_async(("sent",), countdown=float(sys.argv[4])).id)
        case "work":
            app.worker_main(["worker", "--pool", "solo", "--without-mingle", "--without-gossip", "-l", "INFO"])
