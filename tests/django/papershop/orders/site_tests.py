"""Run by Django's runner and by pytest, both started by ``test_testing_tools``; each must pass."""

import unittest
from functools import partial
from importlib import import_module

import django
from django.db import transaction
from django.test import SimpleTestCase, TestCase, TransactionTestCase
from django.utils import translation
from orders.models import Order
from orders.tasks import apack, pack, post

from celeriac import current_app
from celeriac.brokers.sqlite import SqliteBroker
from celeriac.django.testing import CeleriacTestMixin
from celeriac.engines import broker_from_url
from celeriac.testing import RealEngineError, TaskNotRunError, record_tasks


class Stop(Exception):
    pass


class Asserting(CeleriacTestMixin, TestCase):
    @classmethod
    def setUpTestData(cls):
        cls.order = Order.objects.create(article="pen")
        pack.delay(cls.order.pk)  # is recorded for no test

    def test_what_a_view_publishes(self):
        with self.assertNumTasks(1), self.capture_tasks() as captured:
            answer = self.client.post("/order/", {"article": "ink"})
        self.assertTaskEnqueued(pack, [int(answer.content)], times=1)
        self.assertEqual([each.task for each in captured], ["orders.tasks.pack"])
        self.run_enqueued()
        self.assertEqual(Order.objects.get(article="ink").state, "packed in brown")

    def test_each_test_begins_with_nothing(self):
        self.assertTaskNotEnqueued(pack)
        self.assertEqual(self.run_enqueued(), [])

    def test_a_function_is_counted(self):
        self.assertNumTasks(2, pack.delay_many, [(1,), (2,)])

    def test_a_failure_tells_what_was_published(self):
        pack.apply_async((7,), {"colour": "red"}, queue="parcels", on_commit=False)
        with self.assertRaises(AssertionError) as caught:
            self.assertTaskEnqueued(pack, [8])
        self.assertEqual(
            str(caught.exception),
            "orders.tasks.pack with args=[8] was not published.\n"
            "1 task was published:\n"
            "  1. orders.tasks.pack(7, colour='red') queue='parcels'",
        )

    def test_a_failure_tells_what_waits_for_a_commit(self):
        with transaction.atomic():
            pack.delay(7)
            with self.assertRaisesRegex(
                AssertionError, r"No task was published\.\n1 more waits for the commit of a transaction that is open"
            ):
                self.assertTaskEnqueued(pack, [7])
        self.assertTaskEnqueued(pack, [7])

    def test_a_count_outside_of_with_fails(self):
        class Careless(CeleriacTestMixin, SimpleTestCase):
            def runTest(self):  # noqa: N802 - unittest's name
                self.assertNumTasks(0)

        result = unittest.TestResult()
        Careless().run(result)
        [(_, text)] = result.failures
        self.assertIn("assertNumTasks(0) asserts nothing by itself: write `with self.assertNumTasks(0):`", text)

    def test_it_can_be_run_without_collecting_a_result(self):
        class Debugged(CeleriacTestMixin, SimpleTestCase):
            def runTest(self):  # noqa: N802 - unittest's name
                pack.delay(1)
                self.assertTaskEnqueued(pack)

        Debugged().debug()

    def test_the_mixin_works_beside_setup_without_super(self):
        self.assertEqual(self.prepared, "yes")

    def setUp(self):
        self.prepared = "yes"


class Running(CeleriacTestMixin, TestCase):
    def test_tasks_see_the_tests_rows_and_the_test_sees_theirs(self):
        order = Order.objects.create(article="pen")
        results = [pack.delay(order.pk, colour="red"), apack.delay(order.pk)]
        with self.assertRaisesRegex(TaskNotRunError, "call run_enqueued"):
            results[0].get()
        with translation.override("de"):
            self.run_enqueued()
            self.assertEqual(translation.get_language(), "de")
        self.assertEqual(results[0].get(), "packed in red")
        self.assertEqual(results[1].get(), "en-us")
        order.refresh_from_db()
        self.assertEqual(order.state, "packed")

    def test_what_a_task_raises_fails_the_test(self):
        pack.delay(0)
        with self.assertRaises(Order.DoesNotExist):
            self.run_enqueued()

    def test_time_passes(self):
        result = post.delay(1)
        self.assertEqual([run.state for run in self.run_enqueued()], ["RETRY"])
        self.advance("59m")
        self.assertEqual(self.run_enqueued(), [])
        self.assertEqual([run.state for run in self.run_enqueued(during="1d")], ["RETRY", "SUCCESS"])
        self.assertEqual(result.get(), "posted")

    async def test_a_coroutine_runs_tasks(self):
        order = await Order.objects.acreate(article="pen")
        result = await pack.adelay(order.pk)
        await apack.adelay(order.pk)
        await self.arun_enqueued()
        self.assertEqual(await result, "packed in brown")
        await order.arefresh_from_db()
        self.assertEqual(order.state, "packed")

    def test_a_real_engine_is_refused(self):
        with self.assertRaisesRegex(RealEngineError, "celeriac_real_broker = True"):
            broker_from_url(current_app.broker_url)


@unittest.skipIf(django.VERSION < (6,), "this Django has no task framework")
class OfDjangosFramework(CeleriacTestMixin, TestCase):
    def test_its_tasks_are_asserted_and_run_too(self):
        count = import_module("orders.framework_tasks").count
        with transaction.atomic():
            result = count.enqueue(4)
        self.assertTaskEnqueued(count, [4], times=1)
        self.run_enqueued()
        result.refresh()
        self.assertEqual(result.return_value, 5)


class Transactions(CeleriacTestMixin, TestCase):
    databases = ("default", "other")

    def test_outside_of_a_transaction_it_is_published_at_once(self):
        pack.delay(1)
        self.assertTaskEnqueued(pack)

    def test_inside_it_waits_for_the_end_of_the_outermost_block(self):
        with transaction.atomic():
            with transaction.atomic():
                pack.delay(1)
            self.assertTaskNotEnqueued(pack)
        self.assertTaskEnqueued(pack, [1])

    def test_a_rollback_takes_it_away(self):
        with self.assertRaises(Stop), transaction.atomic():
            pack.delay(1)
            raise Stop
        self.client.post("/order/", {"article": "sold out"})
        with transaction.atomic():
            pack.delay(2)
        self.assertTaskEnqueued(pack, times=1)
        self.assertTaskEnqueued(pack, [2])

    def test_a_rollback_to_a_savepoint_takes_away_what_came_after_it(self):
        with transaction.atomic():
            pack.delay(1)
            with self.assertRaises(Stop), transaction.atomic():
                pack.delay(2)
                raise Stop
            pack.delay(3)
        self.assertEqual([each.args for each in self.celeriac_tasks.published], [[1], [3]])

    def test_blocks_without_savepoint(self):
        with transaction.atomic(savepoint=False):
            pack.delay(1)
        with transaction.atomic(savepoint=False), transaction.atomic(savepoint=False):
            pack.delay(2)
        self.assertEqual([each.args for each in self.celeriac_tasks.published], [[1], [2]])

    def test_a_rollback_of_a_block_without_savepoint_takes_it_away_too(self):
        with self.captureOnCommitCallbacks(execute=True):
            with self.assertRaises(Stop), transaction.atomic(savepoint=False):
                pack.delay(1)
                raise Stop
            transaction.set_rollback(False)
        self.assertTaskNotEnqueued(pack)

    def test_a_durable_block_is_possible(self):
        with transaction.atomic(durable=True):
            pack.delay(1)
        self.assertTaskEnqueued(pack, [1])

    def test_a_block_of_another_database_is_its_own_transaction(self):
        with transaction.atomic(), transaction.atomic(using="other"):
            pack.apply_async((1,), using="other")
            pack.apply_async((2,), using="default")
        with transaction.atomic():
            with transaction.atomic(using="other"):
                pack.apply_async((3,), using="other")
            self.assertTaskEnqueued(pack, [3])

    def test_captured_callbacks_are_run_once(self):
        with self.captureOnCommitCallbacks(execute=True) as callbacks:
            with transaction.atomic():
                pack.delay(1)
            with transaction.atomic():
                pack.delay(2)
        self.assertEqual(len(callbacks), 2)
        with transaction.atomic():
            pack.delay(3)
        self.assertEqual([each.args for each in self.celeriac_tasks.published], [[1], [2], [3]])

    def test_other_hooks_are_left_to_django(self):
        ran = []
        with self.captureOnCommitCallbacks(execute=True) as callbacks:
            with transaction.atomic():
                transaction.on_commit(partial(ran.append, 1))
            self.assertEqual(ran, [])
        self.assertEqual((ran, len(callbacks)), ([1], 1))

    def test_a_task_commits_too(self):
        with self.settings(ROOT_URLCONF="papershop.urls"):
            order = Order.objects.create(article="pen")
            pack.apply_async((order.pk,), link=pack.si(order.pk, "red"))
            self.run_enqueued()
        order.refresh_from_db()
        self.assertEqual(order.state, "packed in red")


class AllHooks(CeleriacTestMixin, TestCase):
    celeriac_on_commit = "all"

    def test_hooks_run_in_order_when_the_block_ends(self):
        ran = []
        with transaction.atomic():
            transaction.on_commit(partial(ran.append, 1))
            transaction.on_commit(lambda: pack.delay(7))
            transaction.on_commit(partial(ran.append, 2))
            self.assertEqual(ran, [])
        self.assertEqual(ran, [1, 2])
        self.assertTaskEnqueued(pack, [7], times=1)

    def test_outside_of_a_block_they_run_at_once(self):
        ran = []
        transaction.on_commit(partial(ran.append, 1))
        self.assertEqual(ran, [1])

    def test_captured_ones_are_counted_and_run_once(self):
        ran = []
        with self.captureOnCommitCallbacks(execute=True) as callbacks:
            transaction.on_commit(partial(ran.append, 1))
            with transaction.atomic():
                transaction.on_commit(partial(ran.append, 2))
        self.assertEqual((ran, len(callbacks)), ([1, 2], 2))

    def test_an_error_goes_to_whoever_ends_the_block_and_the_rest_is_not_run(self):
        ran = []

        def fail():
            raise Stop

        with self.assertRaises(Stop), transaction.atomic():
            transaction.on_commit(fail)
            transaction.on_commit(partial(ran.append, 1))
        with self.assertLogs("celeriac", "ERROR"), transaction.atomic():
            transaction.on_commit(fail, robust=True)
            transaction.on_commit(partial(ran.append, 2))
        self.assertEqual(ran, [2])

    def test_a_hook_may_open_a_transaction(self):
        ran = []

        @transaction.atomic
        def more():
            transaction.on_commit(partial(ran.append, 2))
            ran.append(1)

        with transaction.atomic():
            transaction.on_commit(more)
            transaction.on_commit(partial(ran.append, 3))
        self.assertEqual(ran, [1, 2, 3])


class Committing(CeleriacTestMixin, TransactionTestCase):
    def test_a_real_commit_publishes(self):
        ran = []
        with transaction.atomic():
            transaction.on_commit(partial(ran.append, 1))
            pack.delay(1)
            self.assertTaskNotEnqueued(pack)
        self.assertTaskEnqueued(pack, times=1)
        self.assertEqual(ran, [1])
        with self.assertRaises(Stop), transaction.atomic():
            pack.delay(2)
            raise Stop
        self.assertTaskEnqueued(pack, times=1)

    def test_tasks_run(self):
        order = Order.objects.create(article="pen")
        pack.delay(order.pk)
        self.run_enqueued()
        order.refresh_from_db()
        self.assertEqual(order.state, "packed in brown")


class WithoutDatabase(CeleriacTestMixin, SimpleTestCase):
    def test_publishing_needs_none(self):
        pack.delay(1)
        self.assertTaskEnqueued(pack, [1])


class Real(CeleriacTestMixin, TestCase):
    celeriac_real_broker = True

    def test_it_is_the_brokers_of_the_settings(self):
        self.assertIsInstance(current_app.broker, SqliteBroker)
        with self.assertRaisesRegex(AssertionError, "Nothing is recorded here: this class has celeriac_real_broker"):
            self.assertTaskNotEnqueued(pack)
        current_app.close()


class WithoutTheMixin(TestCase):
    def test_nothing_reaches_a_broker(self):
        pack.delay(1)
        self.assertNotIsInstance(current_app.broker, SqliteBroker)
        with self.assertRaises(RealEngineError):
            broker_from_url(current_app.broker_url)

    def test_recording_can_begin_anywhere(self):
        with record_tasks() as tasks:
            pack.delay(1)
        self.assertEqual(len(tasks.published), 1)


class Plain(unittest.TestCase):
    def test_nothing_reaches_a_broker_here_either(self):
        pack.delay(1)
        self.assertNotIsInstance(current_app.broker, SqliteBroker)
