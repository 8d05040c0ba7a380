from django.db import models


class Order(models.Model):
    article = models.CharField(max_length=50)
    state = models.CharField(max_length=50, default="new")

    class Meta:
        app_label = "orders"
