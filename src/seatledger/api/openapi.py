"""The OpenAPI 3.1 document, derived from the table of operations."""

from typing import Any

from seatledger.api.table import OPERATIONS


def document() -> dict[str, Any]:
    """The OpenAPI 3.1 document of the public API."""
    paths: dict[str, dict[str, Any]] = {}
    for one in OPERATIONS:
        paths.setdefault(one.path, {})[one.method.lower()] = {
            "summary": one.summary,
            "responses": {str(one.success): {"description": "Success"}},
        }
    return {"openapi": "3.1.0", "info": {"title": "Seatledger", "version": "3"}, "paths": paths}
