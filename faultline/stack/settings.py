"""Settings of the local stack. From the environment, then from what the stack was last started with, then defaults."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Literal

import psutil
from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict

SERVICES = ("intake", "arbitration", "penalties", "notify", "console")
"""In the order in which they are started; they are stopped in the reverse one."""

DATABASE_SERVICES = ("arbitration", "penalties", "notify")
DATABASE_ROLES = (*DATABASE_SERVICES, "reporting")
"""Those that have a role and a schema of their own name."""

Part = Literal["broker", "database", "intake", "arbitration", "penalties", "notify", "console"]
PARTS: tuple[Part, ...] = ("broker", "database", "intake", "arbitration", "penalties", "notify", "console")


def _share_of_memory_mb(share: int, most_mb: int, least_mb: int) -> int:
    total_mb = psutil.virtual_memory().total // (1024 * 1024)
    return int(max(least_mb, min(most_mb, total_mb // share)))


class StackSettings(BaseSettings):
    """What the local stack can be told, each as `FAULTLINE_<NAME>`. A port of 0 means: any free one, chosen once."""

    model_config = SettingsConfigDict(env_prefix="FAULTLINE_", extra="ignore")

    broker_port: int = Field(9092, ge=0, le=65535, description="Kafka's listener for clients")
    controller_port: int = Field(9093, ge=0, le=65535, description="Kafka's own controller listener")
    database_port: int = Field(15432, ge=0, le=65535, description="PostgreSQL over TCP on 127.0.0.1")
    console_port: int = Field(8000, ge=0, le=65535)
    intake_port: int = Field(8001, ge=0, le=65535)
    arbitration_port: int = Field(8002, ge=0, le=65535)
    penalties_port: int = Field(8003, ge=0, le=65535)
    notify_port: int = Field(8004, ge=0, le=65535)

    broker_heap_mb: int = Field(
        default_factory=lambda: _share_of_memory_mb(8, most_mb=1024, least_mb=256),
        ge=192,
        description="heap of the broker; it also profits from the file cache",
    )
    shared_buffers_mb: int = Field(
        default_factory=lambda: _share_of_memory_mb(8, most_mb=1024, least_mb=128),
        ge=16,
        description="PostgreSQL's shared_buffers",
    )
    max_wal_mb: int = Field(
        4096, ge=128, description="PostgreSQL's max_wal_size: fewer checkpoints under load"
    )
    database_connections: int = Field(200, ge=20, description="PostgreSQL's max_connections")
    partitions: int = Field(12, ge=1, description="partitions of every keyed topic; fixed for ever")
    topic_replication: int = Field(1, ge=1, description="copies of every partition; one node can hold one")

    start_timeout_ms: int = Field(90_000, description="longest wait for the stack to answer")
    stop_timeout_ms: int = Field(15_000, description="longest wait for one process before SIGKILL")
    restart_backoff_ms: int = Field(250, description="wait before the first restart; doubles each time")
    restart_backoff_longest_ms: int = Field(10_000, description="longest wait before a restart")
    free_disk_least_mb: int = Field(1024, description="refuse to start with less free disk than this")
    jar_cache: Path = Field(
        default_factory=lambda: (
            Path(os.environ.get("XDG_CACHE_HOME", "~/.cache")).expanduser() / "faultline" / "jars"
        ),
        description="where the broker's jars are kept for all stacks of this user",
    )

    def port_of(self, part: str) -> int:
        """The wanted port of a part; 0 means any."""
        return int(getattr(self, f"{part}_port"))
