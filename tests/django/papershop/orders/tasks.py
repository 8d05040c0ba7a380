from django.utils import translation
from orders.models import Order

from celeriac import shared_task


@shared_task
def pack(order_id, colour="brown"):
    order = Order.objects.get(pk=order_id)
    order.state = f"packed in {colour}"
    order.save()
    return order.state


@shared_task
async def apack(order_id):
    order = await Order.objects.aget(pk=order_id)
    order.state = "packed"
    await order.asave()
    return translation.get_language()


@shared_task(bind=True, max_retries=3)
def post(self, order_id):
    if self.request.retries < 2:
        raise self.retry(countdown=3600)
    return "posted"
