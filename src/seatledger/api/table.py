"""Every operation of the public API: routes, OpenAPI document and reference derive from this."""

from seatledger.api import accounts, flex_discounts, orders, price_list, subscriptions
from seatledger.api.operations import Operation
from seatledger.contract import resources
from seatledger.contract.bodies.accounts import (
    CustomerIn,
    CustomerPatchIn,
    DeploymentIn,
    DeploymentPatchIn,
    ResellerIn,
    ResellerPatchIn,
)
from seatledger.contract.bodies.orders import (
    NewOrderIn,
    OrderPatchIn,
    PreviewRenewalOrderIn,
    RenewalOrderIn,
    ReturnOrderIn,
)
from seatledger.contract.bodies.price_lists import PriceListIn
from seatledger.contract.bodies.subscriptions import SubscriptionIn, SubscriptionPatchIn

_FORM = ("400", "1117", "1121", "1122")
_PROFILE = (*_FORM, "1118", "2126", "2135")
_CUSTOMER = "/v3/customers/{customer-id}"

OPERATIONS: tuple[Operation, ...] = (
    Operation(
        "POST", "/v3/resellers", "Create a reseller", accounts.post_reseller, "write", 201,
        resources.ResellerOut, ResellerIn, (*_PROFILE, "1114"),
    ),
    Operation(
        "GET", "/v3/resellers/{reseller-id}", "Get a reseller", accounts.get_reseller, "read",
        200, resources.ResellerOut, codes=("1115",),
    ),
    Operation(
        "PATCH", "/v3/resellers/{reseller-id}", "Update a reseller", accounts.patch_reseller,
        "write", 200, resources.ResellerOut, ResellerPatchIn,
        (*_PROFILE, "1115", "1119", "1125", "5122"),
    ),
    Operation(
        "POST", "/v3/customers", "Create a customer", accounts.post_customer, "write", 201,
        resources.CustomerOut, CustomerIn,
        (*_PROFILE, "1115", "1126", "1127", "1135", "1139", "1142", "1147"),
    ),
    Operation(
        "GET", _CUSTOMER, "Get a customer", accounts.get_customer, "read", 200,
        resources.CustomerOut, codes=("1116",),
    ),
    Operation(
        "PATCH", _CUSTOMER, "Update a customer", accounts.patch_customer, "write", 200,
        resources.CustomerOut, CustomerPatchIn,
        (*_PROFILE, "1116", "1119", "1125", "1135", "1139", "1142", "1147"),
    ),
    Operation(
        "POST", f"{_CUSTOMER}/deployments", "Create a deployment", accounts.post_deployment,
        "write", 201, resources.DeploymentOut, DeploymentIn,
        (*_FORM, "1116", "1118", "1139", "1140", "1141", "1142"),
    ),
    Operation(
        "GET", f"{_CUSTOMER}/deployments", "List deployments", accounts.get_deployments, "read",
        200, resources.DeploymentPage, codes=("1116", "1132", "1133"),
        query=("status", "limit", "offset"),
    ),
    Operation(
        "GET", _CUSTOMER + "/deployments/{deployment-id}", "Get a deployment",
        accounts.get_deployment, "read", 200, resources.DeploymentOut, codes=("1116", "2138"),
    ),
    Operation(
        "PATCH", _CUSTOMER + "/deployments/{deployment-id}", "Update a deployment",
        accounts.patch_deployment, "write", 200, resources.DeploymentOut,
        DeploymentPatchIn, (*_FORM, "1116", "1118", "1119", "2138"),
    ),
    Operation(
        "POST", f"{_CUSTOMER}/orders", "Place, preview, renew or return an order",
        orders.post_order, "preview", 201, resources.OrderOut,
        NewOrderIn
        | RenewalOrderIn
        | PreviewRenewalOrderIn
        | ReturnOrderIn,
        (
            *_FORM, "1116", "1139", "1140", "1142", "2115", "2116", "2117", "2118", "2119",
            "2120", "2121", "2122", "2123", "2124", "2125", "2126", "2127", "2128", "2129",
            "2130", "2131", "2132", "2133", "2134", "2136", "2137", "2138", "2139", "2140",
            "2141", "2144", "2145", "2146", "2147", "2148", "2166", "3115", "3117", "3118",
            "3121", "3122", "3123", "5122", "5135",
        ),
        query=("fetch-price",),
    ),
    Operation(
        "GET", f"{_CUSTOMER}/orders", "Order history", orders.get_orders, "read", 200,
        resources.OrderPage, codes=("1116", "1132", "1133"),
        query=(
            "order-type", "status", "offer-id", "subscription-id", "reseller-id",
            "reference-order-id", "start-date", "end-date", "limit", "offset", "fetch-price",
        ),
    ),
    Operation(
        "GET", _CUSTOMER + "/orders/{order-id}", "Get an order", orders.get_order, "read", 200,
        resources.OrderOut, codes=("2115", "1132"), query=("fetch-price",),
    ),
    Operation(
        "PATCH", _CUSTOMER + "/orders/{order-id}", "Update the reference of an order",
        orders.patch_order, "write", 200, resources.OrderOut, OrderPatchIn,
        (*_FORM, "1119", "2115", "2126"),
    ),
    Operation(
        "POST", f"{_CUSTOMER}/subscriptions", "Schedule a subscription for the next term",
        subscriptions.post_subscription, "write", 200, resources.SubscriptionOut,
        SubscriptionIn,
        (
            *_FORM, "1116", "1139", "1140", "2122", "2124", "2125", "2128", "2129", "2138",
            "2147", "3116", "3120", "3122", "3123", "3132", "5123", "5124", "5125", "5126",
            "5127", "5128", "5129",
        ),
    ),
    Operation(
        "GET", f"{_CUSTOMER}/subscriptions", "List subscriptions",
        subscriptions.get_subscriptions, "read", 200, resources.SubscriptionList,
        codes=("1116",),
    ),
    Operation(
        "GET", _CUSTOMER + "/subscriptions/{subscription-id}", "Get a subscription",
        subscriptions.get_subscription, "read", 200, resources.SubscriptionOut, codes=("3115",),
    ),
    Operation(
        "PATCH", _CUSTOMER + "/subscriptions/{subscription-id}",
        "Update the renewal settings of a subscription", subscriptions.patch_subscription,
        "write", 200, resources.SubscriptionOut, SubscriptionPatchIn,
        (
            *_FORM, "1119", "2147", "3115", "3116", "3119", "3120", "3123", "5123", "5124",
            "5125", "5126", "5127", "5128", "5129",
        ),
        query=("reset-flex-discount-codes", "reset-renewal-code"),
    ),
    Operation(
        "GET", "/v3/flex-discounts", "Search flexible discounts",
        flex_discounts.get_flex_discounts, "read", 200, resources.FlexDiscountPage,
        codes=("1121", "1132", "1160", "1178", "2142"),
        query=(
            "market-segment", "country", "categories", "offer-ids", "flex-discount-id",
            "flex-discount-code", "include-eligible-reusable-discounts", "start-date", "end-date",
            "limit", "offset",
        ),
    ),
    Operation(
        "GET", f"{_CUSTOMER}/flex-discounts", "Reusable flexible discounts a customer has used",
        flex_discounts.get_customer_flex_discounts, "read", 200, resources.FlexDiscountPage,
        codes=("1116", "1132"), query=("limit", "offset"),
    ),
    Operation(
        "POST", "/v3/pricelist", "Read a price list", price_list.post_price_list, "read", 200,
        resources.PriceListOut, PriceListIn,
        ("400", "1121", "1122", "1159", "1160", "1161", "1162", "1164", "5122"),
        query=("limit", "offset"),
    ),
)  # fmt: skip
