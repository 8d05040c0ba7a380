"""Brokers: they carry messages from producers to consumers. The port is ``base``; the others are engines."""
