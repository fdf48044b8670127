"""moto's server application; its own program closes the connection after every answer."""

# The library is installed for the bench alone.
# mypy: disable-error-code="import-not-found, import-untyped"

from moto.server import DomainDispatcherApplication, create_backend_app

application = DomainDispatcherApplication(create_backend_app)
