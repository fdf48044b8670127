"""django-oscar with one page: an order placed in one POST by Oscar's own checkout code.

Basket, prices, offers, shipping, stock, order and lines go the way its checkout views send them
(`OrderPlacementMixin`, `OrderCreator`). Left out in its favour: its pages and forms, sessions in
the database, payment, the confirmation mail; and it knows no idempotency, request ids or versions.
`python -m bench.peers.oscar_shop` makes the tables and the goods,
`uvicorn --interface wsgi bench.peers.oscar_shop:application` serves them on the database OSCAR_*.
"""

# The libraries are installed for the bench alone, so the types of what they give are unknown here.
# mypy: disable-error-code="import-not-found, import-untyped, misc, no-untyped-call, attr-defined"
# ruff: noqa: E402 - Django is configured before its models can be imported

import json
import os
from decimal import Decimal
from typing import Any

import django
import oscar.defaults
from django.conf import settings

TOKEN = "oscar-token"
CUSTOMERS = 2_000
_PRICES = (Decimal("389.00"), Decimal("299.99"), Decimal("119.88"))


settings.configure(
    **{name: getattr(oscar.defaults, name) for name in dir(oscar.defaults) if name.isupper()},
    SECRET_KEY=TOKEN,
    ALLOWED_HOSTS=["*"],
    ROOT_URLCONF=__name__,
    INSTALLED_APPS=oscar.INSTALLED_APPS,
    SITE_ID=1,
    MIDDLEWARE=[
        "django.contrib.sessions.middleware.SessionMiddleware",
        "django.middleware.common.CommonMiddleware",
    ],
    SESSION_ENGINE="django.contrib.sessions.backends.signed_cookies",
    USE_TZ=True,
    DATABASES={
        "default": {
            "ENGINE": "django.db.backends.postgresql",
            "HOST": os.environ["OSCAR_HOST"],
            "PORT": os.environ["OSCAR_PORT"],
            "NAME": os.environ["OSCAR_NAME"],
            "USER": os.environ["OSCAR_USER"],
            "CONN_MAX_AGE": None,
        }
    },
    HAYSTACK_CONNECTIONS={"default": {"ENGINE": "haystack.backends.simple_backend.SimpleEngine"}},
    DEFAULT_AUTO_FIELD="django.db.models.BigAutoField",
)
django.setup()

from django.apps import apps
from django.contrib.auth.models import User
from django.core.management import call_command
from django.core.wsgi import get_wsgi_application
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.urls import path
from django.utils.decorators import method_decorator
from django.views import View
from django.views.decorators.csrf import csrf_exempt
from oscar.apps.checkout.mixins import OrderPlacementMixin
from oscar.core.loading import get_class, get_model

Basket = get_model("basket", "Basket")
Product = get_model("catalogue", "Product")
Selector = get_class("partner.strategy", "Selector")
Applicator = get_class("offer.applicator", "Applicator")
NoShippingRequired = get_class("shipping.methods", "NoShippingRequired")
OrderTotalCalculator = get_class("checkout.calculators", "OrderTotalCalculator")


@method_decorator(csrf_exempt, name="dispatch")
class PlaceOrder(OrderPlacementMixin, View):
    """An order of the lines in the body, for the customer in the path."""

    def post(self, request: HttpRequest, user_id: int) -> HttpResponse:
        """Fill a basket, price it, place the order."""
        if request.headers.get("Authorization") != f"Bearer {TOKEN}":
            return JsonResponse({"code": "unknown token"}, status=401)
        body = json.loads(request.body)
        request.user = user = User.objects.get(pk=user_id, is_active=True)
        basket = Basket.objects.create(owner=user)
        basket.strategy = Selector().strategy(request=request, user=user)
        for line in body["lineItems"]:
            product = Product.objects.get(upc=line["offerId"])
            basket.add_product(product, line["quantity"])
        Applicator().apply(basket, user, request)
        method = NoShippingRequired()
        charge = method.calculate(basket)
        total = OrderTotalCalculator(request).calculate(basket, charge)
        basket.freeze()
        return self.handle_order_placement(
            self.generate_order_number(basket), user, basket, None, method, charge, None, total
        )

    def handle_successful_order(self, order: Any) -> HttpResponse:
        """The order as it was placed, without the mail and the page that thank for it."""
        lines = [
            {"offerId": line.upc, "quantity": line.quantity, "price": str(line.line_price_excl_tax)}
            for line in order.lines.all()
        ]
        return JsonResponse({"orderId": order.number, "lineItems": lines}, status=201)


def ready(_: HttpRequest) -> HttpResponse:
    """Whether it serves."""
    return JsonResponse({"status": "ok"})


urlpatterns = [
    path("ready", ready),
    path("customers/<int:user_id>/orders", PlaceOrder.as_view()),
]
application = get_wsgi_application()


def set_up(upcs: list[str]) -> None:
    """Tables, customers, and goods without shipping whose stock is not counted.

    The tables are as the models have them, without the migrations that lead there.
    """
    settings.MIGRATION_MODULES = {one.label: None for one in apps.get_app_configs()}
    call_command("migrate", run_syncdb=True, verbosity=0)
    User.objects.bulk_create(User(pk=n, username=f"c{n}") for n in range(1, CUSTOMERS + 1))
    kind = get_model("catalogue", "ProductClass").objects.create(
        name="Seats", requires_shipping=False, track_stock=False
    )
    seller = get_model("partner", "Partner").objects.create(name="Seller")
    for upc, price in zip(upcs, _PRICES, strict=True):
        product = Product.objects.create(upc=upc, title=upc, product_class=kind)
        product.stockrecords.create(partner=seller, partner_sku=upc, price=price)


if __name__ == "__main__":
    set_up(os.environ["OSCAR_UPCS"].split())
