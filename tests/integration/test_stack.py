"""The local stack as a person and `make` use it: started, looked at, hurt, stopped. Real processes throughout."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import asyncpg
import psutil
import pytest

from faultline.stack import control
from faultline.stack.control import Request
from faultline.stack.jars import LOCK_FILE
from faultline.stack.logs import files_of
from faultline.stack.state import Home, read_json
from tests.support.parts import engine_answers, small_machine, temporary_home
from tests.support.stack import Stack, running_stack

pytestmark = pytest.mark.stack

_UP_TIMEOUT_S = 360


def faultline(home: Home, *words: str, **env: str) -> subprocess.CompletedProcess[str]:
    """Run the command line. Its output is a pipe: whatever keeps that open after it would make this call hang."""
    return subprocess.run(
        [sys.executable, "-m", "faultline", *words],
        env={**os.environ, "FAULTLINE_HOME": str(home.root), **env},
        capture_output=True,
        text=True,
        timeout=_UP_TIMEOUT_S,
        check=False,
        stdin=subprocess.DEVNULL,
    )


def refusal(done: subprocess.CompletedProcess[str]) -> str:
    """The one line of an error that a person can act on."""
    assert done.returncode == 1, done
    assert len(done.stderr.strip().splitlines()) == 1, done.stderr
    return done.stderr


@pytest.fixture(scope="module")
def running() -> Iterator[Stack]:
    """Broker, database and one service."""
    with running_stack(parts=("broker", "database", "intake")) as stack:
        yield stack


@pytest.fixture
def other_home() -> Iterator[Home]:
    """Another stack's directory, where nothing runs yet."""
    with small_machine(), temporary_home() as home:
        yield home


supervised_parts = pytest.mark.skipif(engine_answers(), reason="containers run the broker and the database")


def test_status_as_the_contract_says(running: Stack) -> None:
    document = json.loads(faultline(running.home, "status", "--json").stdout)
    assert set(document) == {"services", "broker", "database"}
    intake = next(row for row in document["services"] if row["name"] == "intake")
    assert set(intake) == {"name", "pid", "url", "state", "restarts"}
    assert intake["state"] == "up"
    assert intake["url"].startswith("http://127.0.0.1:")
    assert psutil.pid_exists(intake["pid"])
    assert document["broker"]["state"] == document["database"]["state"] == "up"
    assert document["services"][-1]["name"] == "console"
    assert document["services"][-1]["state"] == "down"


def test_a_second_start_says_so_and_starts_nothing(running: Stack) -> None:
    before = running.status()
    done = faultline(running.home, "up", "--only", "broker,database,intake")
    assert done.returncode == 0, done
    assert "runs already" in done.stdout
    assert running.operator_key in done.stdout
    assert running.status() == before


def test_a_service_that_dies_is_restarted_and_counted(running: Stack) -> None:
    restarts = running.part("intake")["restarts"]
    pid = running.kill("intake")
    row = running.wait_up("intake", other_than_pid=pid)
    assert row["restarts"] > restarts


@supervised_parts
def test_the_broker_comes_back(running: Stack) -> None:
    restarts = running.part("broker")["restarts"]
    pid = running.kill("broker")
    row = running.wait_up("broker", other_than_pid=pid)
    assert row["restarts"] > restarts
    running.wait_up("intake")


@supervised_parts
async def test_the_database_comes_back_with_what_was_committed(running: Stack) -> None:
    url = running.database_url("notify")
    connection = await asyncpg.connect(url)
    await connection.execute("CREATE TABLE kept AS SELECT 7 AS number")
    pid = running.kill("database")
    connection.terminate()
    running.wait_up("database", other_than_pid=pid)
    connection = await asyncpg.connect(url)
    try:
        assert await connection.fetchval("SELECT number FROM kept") == 7
        await connection.execute("DROP TABLE kept")
    finally:
        await connection.close()


def test_copies_come_and_go_while_the_others_stay(running: Stack) -> None:
    pid = running.wait_up("intake")["pid"]
    done = faultline(running.home, "up", "--only", "intake", "--copies", "intake=2")
    assert done.returncode == 0, done
    assert running.part("intake-2")["state"] == "up"
    assert running.part("intake")["pid"] == pid
    assert running.urls["intake-2"] != running.urls["intake"]
    second = psutil.Process(running.part("intake-2")["pid"])
    assert faultline(running.home, "up", "--only", "intake", "--copies", "intake=1").returncode == 0
    assert "intake-2" not in running.urls
    psutil.wait_procs([second], timeout=30)
    assert not second.is_running()


def test_every_log_is_json_lines(running: Stack) -> None:
    logs = files_of(running.home)
    assert {"intake", "supervisor"} <= {log.stem for log in logs}
    for log in logs:
        # The last line may still be in the writing.
        for line in log.read_text().split("\n")[:-1]:
            assert isinstance(json.loads(line), dict), (log, line)


def test_logs_are_shown_in_the_order_of_time(running: Stack) -> None:
    done = faultline(running.home, "logs", "--json", "-n", "200")
    stamps = [record["timestamp"] for record in map(json.loads, done.stdout.splitlines())]
    assert len(stamps) > 10
    assert stamps == sorted(stamps)
    assert "no log of nonsense" in refusal(faultline(running.home, "logs", "nonsense"))


def test_the_clock_moves_forward_for_all(running: Stack) -> None:
    before = running.now()
    done = faultline(running.home, "clock", "advance", "25h")
    assert done.returncode == 0, done
    assert "1 day, 1:00:00 ahead" in done.stdout
    assert (running.now() - before).total_seconds() >= 25 * 3600
    assert "not a duration" in refusal(faultline(running.home, "clock", "advance", "--", "-1h"))


def test_the_clock_cannot_be_moved_where_no_stack_runs(other_home: Home) -> None:
    other_home.clock_file.parent.mkdir(exist_ok=True)
    other_home.clock_file.write_text('{"moves": []}')
    assert "No local stack runs here" in refusal(faultline(other_home, "clock", "advance", "1h"))
    assert read_json(other_home.clock_file) == {"moves": []}


@supervised_parts
def test_down_stops_its_own_and_nothing_else(running: Stack, other_home: Home) -> None:
    mine = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    try:
        # By a process that ends: a supervisor of ours would stay as a zombie, for which `down` waits.
        assert faultline(other_home, "up", "--only", "database", "--any-ports").returncode == 0
        other_pid = control.status(other_home)["database"]["pid"]
        before = running.status()
        done = faultline(other_home, "down")
        assert "Stopped." in done.stdout
        assert not psutil.pid_exists(other_pid)
        assert running.status() == before
        assert mine.poll() is None
        assert "Nothing was running." in faultline(other_home, "down").stdout
    finally:
        mine.communicate(b"\n")


@supervised_parts
def test_a_killed_supervisor_leaves_nothing_that_the_next_start_minds(other_home: Home) -> None:
    control.up(other_home, Request(parts=("database",), any_ports=True))
    first = control.status(other_home)["database"]["pid"]
    status = read_json(other_home.status_file)
    os.kill(status["supervisor"]["pid"], signal.SIGKILL)
    psutil.Process(status["supervisor"]["pid"]).wait(10)
    assert psutil.pid_exists(first)
    assert control.status(other_home)["database"]["state"] == "down"
    done = faultline(other_home, "up", "--only", "database")
    assert done.returncode == 0, done
    assert "stopped what a killed supervisor had left: database" in done.stdout
    assert not psutil.pid_exists(first)
    assert control.status(other_home)["database"]["state"] == "up"


@supervised_parts
def test_a_stale_pid_file_is_not_in_the_way(other_home: Home) -> None:
    control.up(other_home, Request(parts=("database",), any_ports=True))
    control.down(other_home)
    # The pid of a living process that is no database server, as after a reboot.
    stale = other_home.database_dir / "data" / "postmaster.pid"
    stale.write_text(f"{os.getpid()}\n{other_home.database_dir / 'data'}\n")
    other_home.status_file.write_text('{"supervisor": {"pid": 1, "started": 1.0}, "parts": []}')
    control.up(other_home, Request(parts=("database",)))
    assert control.status(other_home)["database"]["state"] == "up"


def test_a_port_in_use_is_named_with_its_holder_and_the_way_out(other_home: Home) -> None:
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen()
        port = server.getsockname()[1]
        done = faultline(other_home, "up", "--only", "database", FAULTLINE_DATABASE_PORT=str(port))
    said = refusal(done)
    assert f"Port {port} of the database is in use by" in said
    assert f"(pid {os.getpid()})" in said
    assert "--port database=0" in said
    assert "FAULTLINE_DATABASE_PORT" in said


def test_without_network_the_first_start_says_so(other_home: Home, tmp_path: Path) -> None:
    nowhere = "http://127.0.0.1:9"
    done = faultline(
        other_home,
        "up",
        "--only",
        "broker",
        "--any-ports",
        FAULTLINE_JAR_CACHE=str(tmp_path / "jars"),
        HTTPS_PROXY=nowhere,
        https_proxy=nowhere,
        NO_PROXY="",
        no_proxy="",
    )
    assert "Cannot fetch the broker's jars" in refusal(done)
    assert "no network" in done.stderr


@supervised_parts
def test_a_jar_with_another_hash_is_never_started(running: Stack, other_home: Home, tmp_path: Path) -> None:
    cache = tmp_path / "jars"
    shutil.copytree(Path(os.environ.get("XDG_CACHE_HOME", "~/.cache")).expanduser() / "faultline/jars", cache)
    lock = tomllib.loads(LOCK_FILE.read_text())["dependencies"]
    version = next(jar["version"] for jar in lock if jar["artifactId"] == "kafka-clients")
    next(cache.rglob(f"kafka-clients-{version}.jar")).write_bytes(b"something else")
    nowhere = "http://127.0.0.1:9"
    done = faultline(
        other_home,
        "up",
        "--only",
        "broker",
        "--any-ports",
        FAULTLINE_JAR_CACHE=str(cache),
        HTTPS_PROXY=nowhere,
        https_proxy=nowhere,
    )
    refusal(done)
    assert control.status(other_home)["broker"]["state"] == "down"


def test_a_full_disk_is_said_before_anything_is_started(other_home: Home) -> None:
    done = faultline(other_home, "up", "--any-ports", FAULTLINE_FREE_DISK_LEAST_MB=str(10**9))
    assert "MB are free" in refusal(done)
    assert control.status(other_home)["broker"]["state"] == "down"


def test_a_service_that_cannot_start_is_said_with_its_last_words(other_home: Home) -> None:
    done = faultline(
        other_home,
        "up",
        "--only",
        "intake",
        "--any-ports",
        FAULTLINE_HTTP_BODY_BYTES_MAX="plenty",
        FAULTLINE_RESTART_BACKOFF_MS="10",
    )
    assert "intake ended" in refusal(done)
    row = next(row for row in control.status(other_home)["services"] if row["name"] == "intake")
    assert row["state"] == "down"
    assert row["restarts"] >= 4


def test_reset_forgets_the_data(other_home: Home) -> None:
    other_home.create()
    (other_home.broker_dir / "data").mkdir(parents=True)
    done = faultline(other_home, "reset", "--yes")
    assert done.returncode == 0, done
    assert not other_home.root.exists()
