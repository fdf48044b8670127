"""How long a product is sold and how long it renews (catalog.md 5.4)."""

from datetime import date

from seatledger.domain.catalog import OPEN_END, STANDARD, Catalog, Product


def last_sale_day(catalog: Catalog, product_key: str) -> date:
    """The last Pacific day a product is sold: the end of its last standard price row.

    A product without standard rows ends with its last row of any list; OPEN_END if nothing ends.
    """
    return (
        catalog.last_day_of(product_key, STANDARD) or catalog.last_day_of(product_key) or OPEN_END
    )


def can_renew(catalog: Catalog, product: Product, on: date, *, committed: bool) -> bool:
    """Whether the life of a product still allows a renewal on a day.

    After the end of its support nothing renews; after the end of its sale only what a three-year
    commitment in force that day covers (`committed`). Whether it is of a kind that renews at all
    is another matter (`Product.renewable`).
    """
    if product.end_of_support is not None and product.end_of_support < on:
        return False
    return committed or on <= last_sale_day(catalog, product.key)
