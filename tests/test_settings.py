"""Settings come from flags, then the environment; what they hide stays hidden."""

import json
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

import pytest
import structlog
from pydantic import SecretStr, ValidationError

from seatledger import telemetry
from seatledger.settings import PREFIX, Settings

KEY = "k" * 20 + "-signing-" + "y" * 20


@pytest.fixture(autouse=True)
def _empty_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in Settings.model_fields:
        monkeypatch.delenv(PREFIX + name.upper(), raising=False)


@contextmanager
def logging_as(log_format: Literal["json", "console"]) -> Iterator[None]:
    """Log as a server with this setting does; afterwards the test run's own logging is back."""
    root = logging.getLogger()
    handlers, level = root.handlers, root.level
    root.handlers = []
    telemetry.configure(Settings(log_format=log_format))
    yield
    root.handlers = handlers
    root.setLevel(level)
    structlog.reset_defaults()


class TestSources:
    def test_defaults_are_a_sandbox_on_this_machine(self) -> None:
        settings = Settings()
        assert (settings.mode, settings.host, settings.port) == ("sandbox", "127.0.0.1", 8080)
        assert settings.database_url is None
        assert settings.data_dir == Path.cwd() / ".seatledger"

    def test_flags_win_over_the_environment(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("SEATLEDGER_PORT", "9000")
        monkeypatch.setenv("SEATLEDGER_WORKERS", "3")
        settings = Settings(port=9001)
        assert (settings.port, settings.workers) == (9001, 3)

    def test_an_empty_variable_is_not_set(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("SEATLEDGER_DATABASE_URL", "")
        assert Settings().database_url is None

    def test_both_spellings_of_a_database_address_are_taken(self) -> None:
        address = "postgresql://localhost/x"
        assert Settings(database_url="postgres://localhost/x").database_url == address
        assert Settings(database_url=address).database_url == address

    def test_another_process_reads_the_same(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        certificate = tmp_path / "cert.pem"
        certificate.touch()
        settings = Settings(
            data_dir=tmp_path,
            database_url="postgresql://seatledger@/seatledger?host=/run/x",
            sandbox_open=True,
            admin_token="admin",
            signing_key=SecretStr(KEY),
            tls_cert=certificate,
            tls_key=certificate,
        )
        for name, value in settings.to_environment().items():
            monkeypatch.setenv(name, value)
        monkeypatch.chdir("/")
        assert Settings() == settings


class TestOrigins:
    @pytest.mark.parametrize(
        ("given", "listed"),
        [
            ("", ()),
            ("*", ("*",)),
            ("https://a.example", ("https://a.example",)),
            (
                " https://a.example , http://localhost:3000,",
                ("https://a.example", "http://localhost:3000"),
            ),
        ],
    )
    def test_are_listed_with_commas(
        self, given: str, listed: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("SEATLEDGER_CORS_ORIGINS", given)
        settings = Settings()
        assert settings.cors_origins == listed
        for name, value in settings.to_environment().items():
            monkeypatch.setenv(name, value)
        assert Settings() == settings

    @pytest.mark.parametrize(
        "given", ["a.example", "https://a.example/", "https://A.example", "null"]
    )
    def test_are_as_browsers_send_them(self, given: str, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("SEATLEDGER_CORS_ORIGINS", f"https://b.example,{given}")
        with pytest.raises(ValidationError, match=f"{given} is no origin"):
            Settings()


class TestProxies:
    def test_are_addresses_and_networks(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("SEATLEDGER_TLS_PROXIES", "10.0.0.5, 10.1.0.0/16,::1")
        settings = Settings()
        assert settings.tls_proxies == ("10.0.0.5", "10.1.0.0/16", "::1")
        for name, value in settings.to_environment().items():
            monkeypatch.setenv(name, value)
        assert Settings() == settings

    @pytest.mark.parametrize("given", ["*", "proxy.example", "10.0.0.1/8", "10.0.0"])
    def test_and_nothing_else(self, given: str, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("SEATLEDGER_TLS_PROXIES", given)
        with pytest.raises(ValidationError, match="no address or network"):
            Settings()


class TestSigningSecret:
    def test_is_the_key_or_the_content_of_its_file(self, tmp_path: Path) -> None:
        file = tmp_path / "key"
        file.write_text(f"{KEY}\n", encoding="utf-8")
        assert Settings(signing_key=SecretStr(KEY)).signing_secret() == KEY.encode()
        assert Settings(signing_key_file=file).signing_secret() == KEY.encode()
        assert Settings().signing_secret() is None

    def test_both_at_once_are_refused(self, tmp_path: Path) -> None:
        file = tmp_path / "key"
        file.touch()
        with pytest.raises(ValidationError, match="not both"):
            Settings(signing_key=SecretStr(KEY), signing_key_file=file)


class TestRefusals:
    @pytest.mark.parametrize(
        ("name", "value"),
        [
            ("PORT", "65536"),
            ("WORKERS", "0"),
            ("POOL_SIZE", "none"),
            ("MODE", "staging"),
            ("DATABASE_URL", "mysql://localhost/x"),
            ("TLS_CERT", "/no/such/file"),
            ("LOG_FORMAT", "xml"),
            ("ACCESS_LOG", "sometimes"),
            ("DRAIN_SECONDS", "-1"),
        ],
    )
    def test_name_the_setting(self, name: str, value: str, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv(PREFIX + name, value)
        with pytest.raises(ValidationError) as refused:
            Settings()
        assert [problem["loc"] for problem in refused.value.errors()] == [(name.lower(),)]

    def test_a_certificate_needs_its_key(self, tmp_path: Path) -> None:
        certificate = tmp_path / "cert.pem"
        certificate.touch()
        with pytest.raises(ValidationError, match="together"):
            Settings(tls_cert=certificate)

    def test_do_not_repeat_secrets(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("SEATLEDGER_DATABASE_URL", f"mysql://user:{KEY}@localhost/x")
        with pytest.raises(ValidationError) as refused:
            Settings()
        assert KEY not in str(refused.value)


def test_printed_settings_hide_secrets() -> None:
    url = f"postgresql://user:{KEY}@localhost/x"
    assert KEY not in repr(Settings(database_url=url, admin_token=KEY, signing_key=SecretStr(KEY)))


class TestLogFormat:
    @pytest.mark.parametrize("log_format", ["json", "console"])
    def test_no_line_shows_a_secret(
        self, log_format: Literal["json", "console"], capsys: pytest.CaptureFixture[str]
    ) -> None:
        with logging_as(log_format):
            log = telemetry.get_logger("test")
            log.info("one", client_secret=KEY, nested={"Authorization": f"Bearer {KEY}"})
            log.info("two", tokens=[KEY], access_token="short", admin_token=None)
        written = capsys.readouterr().err
        assert KEY not in written
        assert "short" not in written
        assert "kkkk...yyyy" in written

    def test_json_is_one_object_a_line_for_us_and_for_libraries(
        self, capsys: pytest.CaptureFixture[str]
    ) -> None:
        with logging_as("json"):
            log = telemetry.get_logger("orders")
            log.warning("parked", customer="1000000001")
            logging.getLogger("library").warning("%s lost", "connection")
            try:
                raise ValueError("cause")
            except ValueError:
                log.exception("failed")
        ours, theirs, failure = map(json.loads, capsys.readouterr().err.splitlines())
        assert ours["event"] == "parked"
        assert ours["component"] == "orders"
        assert ours["level"] == "warning"
        assert ours["timestamp"].endswith("Z")
        assert theirs["event"] == "connection lost"
        assert "ValueError: cause" in failure["exception"]
