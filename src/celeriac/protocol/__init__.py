"""Bytes into values and back: nothing here opens a file or a socket, reads a clock or knows a broker.

=====================  ==========================================================================
``message``            the message and the heads of it that a node reads
``amqp_message``       a message as AMQP's properties and headers, and back
``amqp_properties``    the properties themselves
``amqp_delay``         how Celery lets messages wait on RabbitMQ
``envelope``           a message as a broker stores it
``kombu_envelope``     a message as Celery keeps it on Redis
``identity``           which task a message calls, and under which id
``serialization``      objects to bytes by content type
``tagged_json``        JSON with kombu's type tags
``compression``        bytes to fewer bytes
``task_call``          a task call to a message (protocol 2) and back (protocols 2 and 1)
``representation``     arguments in short, as logs and lists show them
``result_document``    a result, or an error, to the document a result store keeps
``exception_value``    an exception as a plain value, and back
=====================  ==========================================================================
"""
