"""Known vulnerabilities among the dependencies, and secrets among the tracked files (`make audit`).

Ends with 1 when either is found. Where the advisories cannot be reached, one line says that nothing
could be compared with them.
"""

import fnmatch
import json
import re
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from detect_secrets.core.potential_secret import PotentialSecret
from detect_secrets.core.secrets_collection import SecretsCollection
from detect_secrets.settings import default_settings

ROOT = Path(__file__).parents[1]
# What is installed to serve, develop and check. The peers of the benchmark are never installed
# with either.
LOCKS = ("requirements.lock", "requirements-dev.lock")
PROBE_SECONDS, AUDIT_SECONDS = 8, 300

NOT_LOOKED_AT = (
    *("*.lock", "LICENSE", "*.png", "*.svg"),
    *(
        "src/seatledger/contract/data/*",
        "docs/reference/*",
    ),  # public facts, and what is made of them
)
# What looks like a secret and is none: offer ids and product keys, hexadecimal by chance; in tests
# and the bench, what is called a secret and made of words.
PUBLIC = re.compile(r"[0-9]{8}[A-Za-z]{2}([0-9A-Za-z]{2}[A-Ca-c][0-9]{2})?")
MADE_UP = re.compile(r"[a-z0-9]{1,10}(-[a-z0-9]{1,10})*")
ALLOWED = frozenset(
    (
        "p8e-seatledger-demo-secret",  # printed at every start of a sandbox
        "H4SQ82RETAINVW6K3MPD7TZ1",  # a discount code of the sample data
        "ABCDEFGHJKLMNPQRSTUVWXYZ23456789",  # an alphabet
        "0af7651916cd43dd8448eb211c80319c",  # the trace id of the W3C's own example
        "/v3/customers/1005610729/subscriptions/1c3a4517c44cfc925704fe942a79abNA",  # a sample
    )
)


def main() -> int:
    """Say what was found, and how it went."""
    vulnerable, told = dependencies()
    secrets = tracked_secrets()
    for line in (*vulnerable, *secrets):
        print(line)
    print(told)
    print(f"secrets: {len(secrets) or 'none'} in the tracked files")
    return 1 if vulnerable or secrets else 0


def dependencies() -> tuple[list[str], str]:
    """Vulnerabilities of the locked packages, one a line, and how many packages were compared."""
    pins = sorted({line.split(";")[0].strip(" \\") for lock in LOCKS for line in pinned(lock)})
    if not compared(pins[:1], PROBE_SECONDS):
        return [], "dependencies: NOT AUDITED, the advisories cannot be reached from here"
    found = compared(pins, AUDIT_SECONDS)
    if not found:
        return [], "dependencies: NOT AUDITED, the audit was cut off"
    vulnerable = [
        f"{one['name']} {one['version']}: {hole['id']}, mended in "
        f"{', '.join(hole['fix_versions']) or 'no release'}"
        for one in found
        for hole in one["vulns"]
    ]
    return vulnerable, f"dependencies: {len(found)} of {len(pins)} audited"


def pinned(lock: str) -> list[str]:
    """The lines of a lock file that pin a version."""
    lines = (ROOT / lock).read_text("utf-8").splitlines()
    return [line for line in lines if re.match(r"[A-Za-z0-9]\S*==", line)]


def compared(pins: list[str], seconds: int) -> list[dict[str, Any]]:
    """What the advisories say to packages; those they do not know are left out."""
    with tempfile.NamedTemporaryFile("w", suffix=".txt") as file:
        file.write("\n".join(pins))
        file.flush()
        command = [sys.executable, "-m", "pip_audit", "--requirement", file.name]
        command += ["--no-deps", "--disable-pip", "--format", "json", "--progress-spinner", "off"]
        try:
            ended = subprocess.run(
                [*command, "--timeout", "5"], capture_output=True, text=True, timeout=seconds
            )
            answered = json.loads(ended.stdout)
        except (subprocess.TimeoutExpired, json.JSONDecodeError):
            return []
    return [one for one in answered["dependencies"] if "vulns" in one]


def tracked_secrets() -> list[str]:
    """Where something looks like a secret and is not known to be none."""
    listed = subprocess.run(
        ["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    names = [
        name
        for name in listed.stdout.splitlines()
        if (ROOT / name).is_file()
        and not any(fnmatch.fnmatch(name, pattern) for pattern in NOT_LOOKED_AT)
    ]
    found = SecretsCollection(str(ROOT))
    with default_settings():
        found.scan_files(*names)
    return [
        f"{name}:{one.line_number}: {one.type}" for name, one in found if not is_known(name, one)
    ]


def is_known(name: str, found: PotentialSecret) -> bool:
    """Whether what was found is no secret."""
    value = str(found.secret_value)
    is_named = found.type in ("Secret Keyword", "Basic Auth Credentials")
    if is_named and name.startswith(("bench/", "tests/")) and MADE_UP.fullmatch(value):
        return True
    return value in ALLOWED or PUBLIC.fullmatch(value) is not None


if __name__ == "__main__":
    sys.exit(main())
