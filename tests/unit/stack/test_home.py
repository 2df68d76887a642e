"""The stack's directory, its plan, its secrets, and what a command line may say."""

from __future__ import annotations

import os
import socket
import stat
from datetime import timedelta
from pathlib import Path

import pytest

from faultline.cli.app import pairs
from faultline.cli.commands.clock import parse_duration
from faultline.stack.control import Request, make_plan, reset, status
from faultline.stack.logs import Follower, fold_last_words, parse, read_lines
from faultline.stack.processes import Identity, free_ports, port_holder, port_is_free
from faultline.stack.settings import SERVICES
from faultline.stack.state import Home, Plan, Secrets
from faultline.stack.supervisor import running_supervisor, stop_leftovers
from shared.errors import FaultlineError


@pytest.fixture
def home(tmp_path: Path) -> Home:
    home = Home(tmp_path / "home")
    home.create()
    return home


def test_ports_are_the_documented_ones_unless_told(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FAULTLINE_CONSOLE_PORT", "9123")
    plan = make_plan(home, Request(ports={"intake": 9456}), Plan())
    assert plan.ports["console"] == 9123
    assert plan.ports["intake"] == 9456
    assert (plan.ports["arbitration"], plan.ports["penalties"], plan.ports["notify"]) == (8002, 8003, 8004)


def test_any_port_is_chosen_once(home: Home) -> None:
    first = make_plan(home, Request(any_ports=True), Plan())
    first.save(home)
    assert len(set(first.ports.values())) == len(first.ports)
    assert make_plan(home, Request(any_ports=True), Plan()).ports == first.ports
    assert make_plan(home, Request(), Plan()).ports == first.ports


def test_copies_have_names_and_ports_of_their_own(home: Home) -> None:
    plan = make_plan(home, Request(copies={"arbitration": 3}), Plan())
    assert {"arbitration", "arbitration-2", "arbitration-3"} <= set(plan.ports)
    assert len(set(plan.ports.values())) == len(plan.ports)


def test_what_runs_goes_on_running_when_more_is_asked_for(home: Home) -> None:
    running = make_plan(home, Request(parts=("broker", "database"), any_ports=True), Plan())
    more = make_plan(home, Request(parts=("intake",)), running)
    assert more.parts == ["broker", "database", "intake"]
    assert more.ports["broker"] == running.ports["broker"]


def test_an_external_broker_is_used_and_not_started(home: Home) -> None:
    plan = make_plan(home, Request(external={"broker": "kafka.example:9092"}), Plan())
    assert "broker" not in plan.parts
    plan.save(home)
    assert Plan.load(home) == plan


def test_an_unknown_part_is_refused_with_the_known_ones(home: Home) -> None:
    with pytest.raises(FaultlineError, match=r"no part called arbitraton.*arbitration, penalties"):
        make_plan(home, Request(parts=("arbitraton",)), Plan())


def test_only_the_owner_reads_the_secrets(home: Home) -> None:
    secrets = Secrets.load_or_create(home, ("notify",))
    assert stat.S_IMODE(home.secrets_file.stat().st_mode) == 0o600
    assert Secrets.load_or_create(home, ("notify",)) == secrets


def test_the_operators_key_can_be_given(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    generated = Secrets.load_or_create(home, ()).operator_key
    monkeypatch.setenv("FAULTLINE_OPERATOR_KEY", "given-by-the-environment")
    assert Secrets.load_or_create(home, ()).operator_key == "given-by-the-environment" != generated


def test_the_pid_of_somebody_else_is_not_taken_for_ours(home: Home) -> None:
    me = Identity.of(os.getpid())
    assert me.alive()
    another = Identity(me.pid, me.started - 100)
    assert not another.alive()
    home.status_file.write_text(
        f'{{"supervisor": {{"pid": {another.pid}, "started": {another.started}}}, "parts": [{{"name": "intake",'
        f' "kind": "service", "pid": {another.pid}, "started": {another.started}, "state": "up", "restarts": 1}}]}}'
    )
    assert running_supervisor(home) is None
    assert stop_leftovers(home) == []  # and this process lives on
    assert status(home)["services"][0] | {"url": ""} == {
        "name": "intake",
        "pid": None,
        "url": "",
        "state": "down",
        "restarts": 1,
    }


def test_a_stack_that_never_ran_is_down(home: Home) -> None:
    document = status(home)
    assert [row["name"] for row in document["services"]] == list(SERVICES)
    rows = [*document["services"], document["broker"], document["database"]]
    assert {row["state"] for row in rows} == {"down"}


def test_reset_leaves_the_files_of_others(home: Home) -> None:
    mine = home.root / "thesis.txt"
    mine.write_text("months of work")
    (home.broker_dir / "data").mkdir(parents=True)
    reset(home)
    assert [path.name for path in home.root.iterdir()] == ["thesis.txt"]


def test_who_holds_a_port_is_named() -> None:
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen()
        port = server.getsockname()[1]
        assert not port_is_free(port)
        assert f"(pid {os.getpid()})" in port_holder(port)


def test_free_ports_differ_and_keep_clear_of_outgoing_connections() -> None:
    ports = free_ports(20)
    assert len(set(ports)) == 20
    assert all(port < 32_768 for port in ports)


@pytest.mark.parametrize(
    ("text", "duration"),
    [
        ("25h", timedelta(hours=25)),
        ("3d", timedelta(days=3)),
        ("90m", timedelta(minutes=90)),
        ("1d12h", timedelta(hours=36)),
        ("30s", timedelta(seconds=30)),
    ],
)
def test_durations(text: str, duration: timedelta) -> None:
    assert parse_duration(text) == duration


@pytest.mark.parametrize("text", ["", "25", "-3d", "3 d", "h", "0h", "1.5h", "2w", "3dd"])
def test_what_is_no_duration_is_refused(text: str) -> None:
    with pytest.raises(FaultlineError, match="not a duration"):
        parse_duration(text)


def test_pairs() -> None:
    assert pairs(["arbitration=2", "intake=1"], "copies") == {"arbitration": 2, "intake": 1}
    with pytest.raises(FaultlineError, match="not a port"):
        pairs(["intake:80"], "port")


def test_the_databases_own_lines_are_shown_in_our_fields() -> None:
    record = parse(
        '{"timestamp":"2026-01-02 03:04:05.678 UTC","error_severity":"FATAL","message":"no space"}'
    )
    assert record == {
        "timestamp": "2026-01-02T03:04:05.678Z",
        "level": "fatal",
        "service": "database",
        "event": "no space",
    }
    assert parse("plain\n") == {"event": "plain"}
    assert parse("[1]") == {"event": "[1]"}


def test_only_the_plain_end_of_a_log_is_folded(home: Home) -> None:
    log = home.log_of("notify")
    log.write_text(
        '{"event": "listening"}\nTraceback (most recent call last):\n  File "x"\n{"not json\nValueError: 统\n'
    )
    assert fold_last_words(log, "notify", 1).splitlines()[-1] == "ValueError: 统"
    records = list(read_lines(log))
    assert [record["event"] for record in records] == ["listening", "process ended"]
    assert records[1]["output"].startswith("Traceback")


def test_a_clean_end_adds_one_line(home: Home) -> None:
    log = home.log_of("notify")
    log.write_text('{"event": "stopped"}\n')
    assert fold_last_words(log, "notify", 0) == ""
    assert [(record["event"], record.get("level")) for record in read_lines(log)] == [
        ("stopped", None),
        ("process ended", "info"),
    ]


def test_following_sees_whole_lines_across_a_rotation(home: Home) -> None:
    log = home.log_of("intake")
    log.write_text('{"event": "before"}\n')
    follower = Follower([log])
    with log.open("a") as stream:
        stream.write('{"event": "one"}\n{"event": "ha')
    assert [record["event"] for record in follower.new_records()] == ["one"]
    with log.open("a") as stream:
        stream.write('lf"}\n')
    assert [record["event"] for record in follower.new_records()] == ["half"]
    log.rename(log.with_name("intake.jsonl.1"))
    log.write_text('{"event": "fresh"}\n')
    assert [record["event"] for record in follower.new_records()] == ["fresh"]
    assert follower.new_records() == []
