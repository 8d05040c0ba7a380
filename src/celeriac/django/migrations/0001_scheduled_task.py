"""Periodic tasks in the database."""

from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import migrations, models


class Migration(migrations.Migration):
    """Adds one table; taking it back drops it, and touches nothing else."""

    initial = True

    dependencies: list[tuple[str, str]] = []

    operations = [
        migrations.CreateModel(
            name="ScheduledTask",
            fields=[
                ("id", models.BigAutoField(primary_key=True, serialize=False)),
                ("name", models.CharField(max_length=200, unique=True)),
                ("description", models.TextField(blank=True)),
                ("task", models.CharField(max_length=255)),
                ("kind", models.CharField(default="crontab", max_length=16)),
                ("expression", models.CharField(max_length=600)),
                ("time_zone", models.CharField(blank=True, max_length=63)),
                ("starts_at", models.DateTimeField(blank=True, null=True)),
                ("ends_at", models.DateTimeField(blank=True, null=True)),
                ("one_off", models.BooleanField(default=False)),
                ("args", models.JSONField(blank=True, default=list)),
                ("kwargs", models.JSONField(blank=True, default=dict)),
                ("queue", models.CharField(blank=True, max_length=255)),
                (
                    "priority",
                    models.PositiveSmallIntegerField(blank=True, null=True, validators=[MaxValueValidator(255)]),
                ),
                ("expires", models.PositiveIntegerField(blank=True, null=True, validators=[MinValueValidator(1)])),
                ("options", models.JSONField(blank=True, default=dict)),
                ("missed", models.CharField(default="once", max_length=16)),
                ("missed_bound", models.PositiveIntegerField(default=100, validators=[MinValueValidator(1)])),
                ("overlap", models.CharField(default="allow", max_length=16)),
                ("enabled", models.BooleanField(default=True)),
                ("created_at", models.DateTimeField(auto_now_add=True)),
                ("changed_at", models.DateTimeField(auto_now=True, db_index=True)),
            ],
            options={
                "verbose_name": "periodic task",
                "verbose_name_plural": "periodic tasks",
                "ordering": ("name",),
            },
        ),
    ]
