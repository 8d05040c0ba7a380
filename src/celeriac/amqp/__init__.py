"""An AMQP 0-9-1 client for RabbitMQ: one thread, one socket, no retries behind anybody's back.

Why celeriac has one of its own is in ``docs/internals/rabbitmq-engine.md``. What is waited for, how long, and what is
done when it does not come is always the caller's to say; nothing is sent twice.
"""
