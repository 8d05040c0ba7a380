"""Published messages."""

import django.utils.timezone
from django.db import migrations, models


class Migration(migrations.Migration):
    initial = True

    dependencies = []

    operations = [
        migrations.CreateModel(
            name="PublishedMessage",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("task_id", models.CharField(max_length=64)),
                ("task_name", models.CharField(max_length=200)),
                ("retries", models.PositiveSmallIntegerField(default=0)),
                ("origin", models.CharField(max_length=200)),
                ("headers", models.JSONField()),
                ("properties", models.JSONField()),
                ("body", models.BinaryField(default=b"")),
                ("published_at", models.DateTimeField(default=django.utils.timezone.now)),
            ],
            options={
                "ordering": ("retries",),
                "constraints": [
                    models.UniqueConstraint(
                        fields=("task_id", "retries"),
                        name="one_message_for_each_attempt",
                    )
                ],
            },
        ),
    ]
