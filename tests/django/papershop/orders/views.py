from django.db import transaction
from django.http import HttpResponse
from orders.models import Order
from orders.tasks import pack


@transaction.atomic
def order(request):
    order = Order.objects.create(article=request.POST["article"])
    pack.delay(order.pk)
    if request.POST["article"] == "sold out":
        transaction.set_rollback(True)
    return HttpResponse(str(order.pk))
