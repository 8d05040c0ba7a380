"""Tasks of Django's own framework, where it has one."""

from django.tasks import task


@task
def count(number):
    return number + 1
