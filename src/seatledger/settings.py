"""What an operator can set, read from SEATLEDGER_* environment variables."""

import re
from ipaddress import ip_network
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import Field, FilePath, SecretStr, field_validator, model_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

PREFIX = "SEATLEDGER_"
_ORIGIN = re.compile(r"https?://[a-z0-9.\-\[\]:]+")  # as browsers send it: lower case, no path


class Settings(BaseSettings):
    """One server's settings; flags of `seatledger serve` win over the environment.

    The processes of one server hand them on through the environment (`to_environment`).
    Raises pydantic's ValidationError, which never repeats a secret's value.
    """

    model_config = SettingsConfigDict(
        env_prefix=PREFIX, env_ignore_empty=True, frozen=True, hide_input_in_errors=True
    )

    port: int = Field(default=8080, ge=0, le=65535, description="TCP port; 0 takes a free one")
    host: str = Field(default="127.0.0.1", description="Address to listen on")
    data_dir: Path = Field(
        default=Path(".seatledger"),
        validate_default=True,
        description="Folder of our own database server",
    )
    database_url: str | None = Field(
        default=None,
        repr=False,
        description="Address, postgresql://...; unset: a server of our own",
    )
    mode: Literal["sandbox", "production"] = Field(
        default="sandbox", description="Life of the server; production has no /sandbox routes"
    )
    workers: int = Field(default=1, ge=1, le=256, description="Processes")
    role: Literal["all", "api", "worker"] = Field(
        default="all",
        description="Serve the API, do what happens by itself (with probes alone), or both",
    )
    sandbox_open: bool = Field(default=False, description="Open /sandbox without authentication")
    admin_token: str | None = Field(
        default=None, repr=False, description="Token of instance-wide calls; unset: made at start"
    )
    signing_key: SecretStr | None = Field(default=None, description="Key that signs access tokens")
    signing_key_file: FilePath | None = Field(default=None, description="File holding that key")
    postgres_user: str | None = Field(
        default=None, description="Account of the embedded server when started as root"
    )
    tls_cert: FilePath | None = Field(default=None, description="Certificate file for HTTPS")
    tls_key: FilePath | None = Field(
        default=None, description="Private key file of that certificate"
    )
    tls_proxies: Annotated[tuple[str, ...], NoDecode] = Field(
        default=(),
        description="Addresses or networks of the proxies in front that terminate TLS, separated "
        "by commas; what they say of the caller (X-Forwarded-For, -Proto) is believed",
    )
    log_format: Literal["json", "console"] = Field(
        default="console", description="Form of log lines: objects, or text for people"
    )
    access_log: bool = Field(default=True, description="One log line for every call")
    drain_seconds: float = Field(
        default=0,
        ge=0,
        le=300,
        description="How long to serve on after SIGTERM while /readyz says 503",
    )
    metrics_port: int | None = Field(
        default=None,
        ge=1,
        le=65535,
        description="Port that gives /metrics without the admin token, to keep inside",
    )
    metrics_dir: Path | None = Field(
        default=None,
        description="Where the processes of one server share what they count; made at every start",
    )
    cors_origins: Annotated[tuple[str, ...], NoDecode] = Field(
        default=(), description="Origins whose pages may call, separated by commas; * for all"
    )
    pool_size: int = Field(default=8, ge=1, le=100, description="Connections per process")
    event_days: int = Field(
        default=400, ge=1, le=36_500, description="Days that events are kept in production"
    )

    @field_validator("data_dir")
    @classmethod
    def _absolute(cls, value: Path) -> Path:
        # Worker processes may have another current folder.
        return value.expanduser().absolute()

    @field_validator("cors_origins", "tls_proxies", mode="before")
    @classmethod
    def _listed(cls, value: object) -> object:
        if not isinstance(value, str):
            return value
        return tuple(filter(None, (one.strip() for one in value.split(","))))

    @field_validator("cors_origins")
    @classmethod
    def _origins(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for origin in value:
            if origin != "*" and not _ORIGIN.fullmatch(origin):
                raise ValueError(f"{origin} is no origin: https://host or https://host:port")
        return value

    @field_validator("tls_proxies")
    @classmethod
    def _networks(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for one in value:
            try:
                ip_network(one)
            except ValueError as error:
                raise ValueError(
                    f"{one} is no address or network: 10.0.0.5, 10.0.0.0/24"
                ) from error
        return value

    @field_validator("database_url")
    @classmethod
    def _postgresql(cls, value: str | None) -> str | None:
        if value is None:
            return None
        scheme, separator, rest = value.partition("://")
        if not separator or scheme not in ("postgresql", "postgres"):
            raise ValueError("must begin with postgresql://")
        return f"postgresql://{rest}"  # the one spelling that every driver takes

    @model_validator(mode="after")
    def _belonging_together(self) -> Self:
        if (self.tls_cert is None) != (self.tls_key is None):
            raise ValueError("tls_cert and tls_key are given together or not at all")
        if self.signing_key is not None and self.signing_key_file is not None:
            raise ValueError("give signing_key or signing_key_file, not both")
        if self.metrics_port == self.port:
            raise ValueError("metrics_port is a port of its own")
        return self

    def signing_secret(self) -> bytes | None:
        """The token-signing key from the setting or its file, or None; OSError if unreadable.

        White space around it is not part of the key: editors add a newline.
        """
        if self.signing_key_file is not None:
            return self.signing_key_file.read_bytes().strip()
        return self.signing_key.get_secret_value().strip().encode() if self.signing_key else None

    def to_environment(self) -> dict[str, str]:
        """The variables from which another process reads these same settings."""
        found: dict[str, str] = {}
        for name, value in self:
            if isinstance(value, SecretStr):
                value = value.get_secret_value()
            elif isinstance(value, tuple):
                value = ",".join(value)
            if value is not None:
                found[PREFIX + name.upper()] = str(value)
        return found
