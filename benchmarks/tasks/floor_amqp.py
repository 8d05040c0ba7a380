"""Publish to RabbitMQ with py-amqp in a bare loop; run by the interpreter of Celery's environment."""

import json
import sys
import time
from urllib.parse import urlsplit

import amqp


def main() -> None:
    """Do what the command line says, and print what was found."""
    url, queue, count, _, size, confirmed = sys.argv[1:]
    parts = urlsplit(url)
    connection = amqp.Connection(
        f"{parts.hostname}:{parts.port}", userid="guest", password="guest", confirm_publish=bool(confirmed)
    )
    connection.connect()
    channel = connection.channel()
    channel.queue_declare(queue, durable=True, auto_delete=False)
    message = amqp.Message("x" * int(size), delivery_mode=2, content_type="application/json", content_encoding="utf-8")
    channel.basic_publish(message, "", queue)
    began, cpu = time.monotonic(), time.process_time()
    for _ in range(int(count)):
        channel.basic_publish(message, "", queue)
    if not confirmed:
        # An order that is answered: by then the server has read all that came before.
        channel.queue_declare(queue, passive=True)
    seconds, used = time.monotonic() - began, time.process_time() - cpu
    print(json.dumps({"publish": {"rate": int(count) / seconds, "cpu": used / int(count) * 1e6}}))
    connection.close()


if __name__ == "__main__":
    main()
