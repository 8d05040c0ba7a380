import os

from django.apps import AppConfig

from celeriac import current_app


class OrdersConfig(AppConfig):
    name = "orders"

    def ready(self):
        if os.environ.get("PAPERSHOP_OPENS_EARLY"):
            current_app.broker.open()
