"""Messages in RabbitMQ: the broker."""
