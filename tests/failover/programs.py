"""The cluster's programs, and how each is told what to do."""

import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

SERVICE = "seatledger"  # the cluster, its database, its user
PACKAGES = {
    "pg_rewind": "postgresql", "patroni": "patroni", "etcd": "etcd-server", "haproxy": "haproxy",
}  # fmt: skip
"""Debian's package of each program."""

_LOOPBACK = "127.0.0.1"
_OLDEST_QUORUM = 4  # patroni's release that knows `ANY 1`; earlier ones name one standby


def find_programs() -> dict[str, Path]:
    """Those of PACKAGES that this machine has; the newest PostgreSQL where Debian puts them."""
    found: dict[str, Path] = {}
    for name in PACKAGES:
        here = shutil.which(name, path=os.environ["PATH"] + ":/usr/sbin")
        if here is not None:
            found[name] = Path(here)
    releases = Path("/usr/lib/postgresql").glob("*/bin/pg_rewind")
    newest = max(releases, key=lambda path: int(path.parts[4]), default=None)
    return found | ({"pg_rewind": newest} if newest else {})


def etcd_command(program: Path, folder: Path, port: int, peer_port: int) -> list[str | Path]:
    """One etcd: what is under test is the database, not the store of its leases."""
    client, peer = f"http://{_LOOPBACK}:{port}", f"http://{_LOOPBACK}:{peer_port}"
    return [
        program, "--enable-v2", "--data-dir", folder,
        "--listen-client-urls", client, "--advertise-client-urls", client,
        "--listen-peer-urls", peer, "--initial-advertise-peer-urls", peer,
        "--initial-cluster", f"default={peer}",
    ]  # fmt: skip


def patroni_settings(
    programs: dict[str, Path], folder: Path, port: int, rest_port: int, etcd_port: int
) -> str:
    """One node: a commit is acknowledged once a second node has it on disk, or it waits."""
    user = {"username": "postgres", "password": SERVICE}
    settings = {
        "scope": SERVICE,
        "name": folder.name,
        "restapi": _listening(rest_port),
        # etcd's older API: over the other, patroni before 3.0.3 takes the lease back unasked when
        # it wakes up, and what its successor acknowledged is lost.
        "etcd": {"host": f"{_LOOPBACK}:{etcd_port}"},
        "bootstrap": {
            "dcs": _cluster_settings(_patroni_release(programs["patroni"])),
            "initdb": ["data-checksums", {"encoding": "UTF8"}, {"locale": "C.UTF-8"}],
        },
        "postgresql": {
            **_listening(port),
            "data_dir": str(folder / "data"),
            "bin_dir": str(programs["pg_rewind"].parent),
            "pgpass": str(folder / "pgpass"),
            "authentication": {"superuser": user, "replication": user, "rewind": user},
            "parameters": {"unix_socket_directories": str(folder)},
            "pg_hba": [
                "local all all trust",
                f"host all all {_LOOPBACK}/32 trust",
                f"host replication all {_LOOPBACK}/32 trust",
            ],
        },
    }
    return json.dumps(settings)  # which is YAML, too


def haproxy_settings(port: int, nodes: dict[int, int]) -> str:
    """One address for whichever node is the primary; `nodes` are ports and patroni's beside them.

    Connections to a node that is the primary no more are closed: it may be frozen, not dead.
    """
    servers = "\n".join(
        f"  server node{number} {_LOOPBACK}:{database} check port {rest}"
        for number, (database, rest) in enumerate(nodes.items())
    )
    return f"""
global
  maxconn 500
defaults
  mode tcp
  timeout connect 1s
  timeout check 1s
  timeout client 1h
  timeout server 1h
listen primary
  bind {_LOOPBACK}:{port}
  option httpchk OPTIONS /primary
  http-check expect status 200
  default-server inter 500ms fall 2 rise 1 on-marked-down shutdown-sessions
{servers}
"""


def _cluster_settings(release: int) -> dict[str, Any]:
    return {
        "ttl": 20,
        "loop_wait": 2,
        "retry_timeout": 5,
        "primary_start_timeout": 0,  # another node takes over rather than wait for a crashed one
        "synchronous_mode": "quorum" if release >= _OLDEST_QUORUM else True,
        "synchronous_mode_strict": True,  # without a second node nothing is acknowledged
        "postgresql": {
            "use_pg_rewind": True,
            "parameters": {
                "synchronous_commit": "on",
                "wal_log_hints": "on",
                "shared_buffers": "64MB",
                "max_connections": 100,
            },
        },
    }


def _listening(port: int) -> dict[str, str]:
    return {"listen": f"{_LOOPBACK}:{port}", "connect_address": f"{_LOOPBACK}:{port}"}


def _patroni_release(program: Path) -> int:
    said = subprocess.run([program, "--version"], capture_output=True, text=True, check=True)
    return int(said.stdout.split()[1].partition(".")[0])
