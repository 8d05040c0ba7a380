"""Letters that are refused for a while."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("letters", "0001_initial"),
    ]

    operations = [
        migrations.AddField(
            model_name="letter",
            name="delays",
            field=models.PositiveSmallIntegerField(default=0),
        ),
        migrations.AlterField(
            model_name="letter",
            name="state",
            field=models.CharField(
                choices=[
                    ("waiting", "waiting"),
                    ("sending", "sending"),
                    ("delayed", "waiting for another attempt"),
                    ("sent", "sent"),
                    ("failed", "failed"),
                    ("cut-off", "cut off"),
                ],
                default="waiting",
                max_length=10,
            ),
        ),
    ]
