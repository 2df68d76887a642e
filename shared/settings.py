"""Settings that every service has. All come from the environment, are read once at start and passed on."""

from __future__ import annotations

from pathlib import Path

from pydantic import AliasChoices, Field
from pydantic_settings import BaseSettings, SettingsConfigDict


class ServiceSettings(BaseSettings):
    """What any service needs to start; a service adds its own in `services/<name>/settings.py`."""

    model_config = SettingsConfigDict(env_prefix="FAULTLINE_", extra="ignore", populate_by_name=True)

    kafka_bootstrap_servers: str = Field(
        "127.0.0.1:9092",
        validation_alias=AliasChoices("KAFKA_BOOTSTRAP_SERVERS", "kafka_bootstrap_servers"),
        description="brokers to begin with, host:port, by commas",
    )
    kafka_security_protocol: str = Field(
        "PLAINTEXT", description="PLAINTEXT, SSL, SASL_PLAINTEXT or SASL_SSL"
    )
    kafka_sasl_mechanism: str = Field("SCRAM-SHA-512", description="PLAIN, SCRAM-SHA-256 or SCRAM-SHA-512")
    kafka_sasl_username: str | None = Field(None, description="with SASL only")
    kafka_sasl_password: str | None = Field(None, description="with SASL only")
    kafka_ssl_cafile: Path | None = Field(None, description="authorities to trust; the system's where unset")
    database_url: str = Field(
        "",
        validation_alias=AliasChoices("DATABASE_URL", "database_url"),
        description="postgresql://role:password@host:port/database; the role's schema has the service's name",
    )
    database_pool_size: int = Field(8, ge=1, description="connections a process holds at most")
    database_read_timeout_ms: int = Field(
        10_000, ge=1, description="longest wait of a request that only reads for the database; then 503"
    )

    http_host: str = Field("127.0.0.1", description="address to listen on")
    http_port: int = Field(0, ge=0, le=65_535, description="port to listen on; 0: any free one")
    http_body_bytes_max: int = Field(
        64 * 1024 * 1024, description="largest request body, after decompression"
    )
    instance: str = Field("", description="name of this copy; the service's name where empty")
    operator_key: str | None = Field(None, description="a key with every scope, accepted by every service")
    clock_file: Path | None = Field(None, description="moves of the local stack's clock; unset outside it")
    log_level: str = Field("INFO", description="DEBUG, INFO, WARNING or ERROR")

    partitions: int = Field(12, ge=1, description="partitions of every keyed topic; fixed for ever")
    topic_replication: int = Field(1, ge=1, description="copies of each partition, where topics are created")
    session_timeout_ms: int = Field(
        10_000, ge=3_000, description="silence after which Kafka gives a consumer's partitions to another"
    )
    shutdown_timeout_ms: int = Field(8_000, description="longest time a stop may take to drain")

    intake_url: str = Field("http://127.0.0.1:8001", description="where intake answers")
    arbitration_url: str = Field("http://127.0.0.1:8002", description="where arbitration answers")
    penalties_url: str = Field("http://127.0.0.1:8003", description="where penalties answers")
    notify_url: str = Field("http://127.0.0.1:8004", description="where notify answers")
    peer_timeout_ms: int = Field(10_000, ge=1, description="longest wait for another service's answer")
    peer_connect_timeout_ms: int = Field(
        2_000, ge=1, description="longest wait for a connection to another service"
    )
    peer_connections_max: int = Field(32, ge=1, description="connections held to one other service at most")
