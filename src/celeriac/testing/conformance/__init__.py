"""Conformance suites: what every broker, every result backend and every timetable has to do, as tests.

An engine proves itself with a few lines in a test module of its own::

    class TestMyBroker(BrokerConformance):
        def make_broker(self) -> Broker:
            return MyBroker("my://localhost/test")

        def make_backend(self, broker: Broker) -> ResultBackend:
            return MyBackend("my://localhost/test", broker=broker)

A timetable's class is a ``TimetableConformance`` and says ``make_timetable`` in place of ``make_backend``.

Each test calls ``make_broker`` once or more; all brokers made during one test must see the same messages, those of
another test none of them. What an engine's ``capabilities`` deny is not asked of it. The suites run under pytest, and
need nothing of it but to be collected. ``pytest.register_assert_rewrite("celeriac.testing.conformance")`` in
``conftest.py`` makes failures say more.
"""
