"""Run by pytest with pytest-django and celeriac's plugin, started by ``test_testing_tools``; each must pass."""

from functools import partial

import pytest
from django.db import transaction
from django.test import TestCase
from orders.models import Order
from orders.tasks import apack, pack

from celeriac import current_app
from celeriac.brokers.sqlite import SqliteBroker
from celeriac.engines import broker_from_url
from celeriac.testing import RealEngineError


def test_every_test_records(db):
    pack.delay(1)
    assert not isinstance(current_app.broker, SqliteBroker)
    with pytest.raises(RealEngineError):
        broker_from_url(current_app.broker_url)


def test_what_is_published_is_asserted_and_run(db, celeriac_tasks, client):
    pk = int(client.post("/order/", {"article": "ink"}).content)
    celeriac_tasks.assert_enqueued(pack, [pk])
    apack.delay(pk)
    assert [run.value for run in celeriac_tasks.run()] == ["packed in brown", "en-us"]
    assert Order.objects.get(pk=pk).state == "packed"


@pytest.mark.django_db
def test_transactions_end_inside_the_tests_own(celeriac_tasks):
    ran = []
    with transaction.atomic():
        pack.delay(1)
        transaction.on_commit(partial(ran.append, 1))
        celeriac_tasks.assert_not_enqueued(pack)
    celeriac_tasks.assert_enqueued(pack, [1])
    assert ran == []


@pytest.mark.celeriac(on_commit="all")
def test_all_commit_hooks_run_if_wanted(db, celeriac_tasks, django_capture_on_commit_callbacks):
    ran = []
    with django_capture_on_commit_callbacks(execute=True) as callbacks, transaction.atomic():
        transaction.on_commit(partial(ran.append, 1))
        pack.delay(1)
    assert (ran, len(callbacks)) == ([1], 2)
    celeriac_tasks.assert_enqueued(pack, times=1)


@pytest.mark.django_db(transaction=True)
def test_real_commits_publish(celeriac_tasks):
    with transaction.atomic():
        pack.delay(1)
        celeriac_tasks.assert_not_enqueued(pack)
    celeriac_tasks.assert_enqueued(pack, times=1)


def test_no_database_is_needed(celeriac_tasks):
    pack.delay(1)
    celeriac_tasks.assert_enqueued(pack, [1])


@pytest.mark.celeriac(real_broker=True)
def test_a_real_broker_is_used_if_wanted():
    assert isinstance(current_app.broker, SqliteBroker)
    current_app.close()


class OfTestCase(TestCase):
    def test_these_record_too(self):
        pack.delay(1)
        self.assertNotIsInstance(current_app.broker, SqliteBroker)
