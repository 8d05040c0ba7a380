"""Redis and Valkey, for the broker and the result backend: where a server is, connections to it, scripts, errors.

redis-py connects (TLS, passwords, Sentinel); what goes over the connection afterwards is packed and read here, because
a task is a handful of small commands and redis-py's way around each of them costs as much as the server's answer.
"""
