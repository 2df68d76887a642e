"""What is deployed agrees with what the services are: ports, settings, probes, metrics. Nothing is deployed here."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest
import yaml

from faultline.stack.settings import DATABASE_SERVICES, SERVICES, StackSettings
from shared.settings import ServiceSettings

ROOT = Path(__file__).parents[2]
HELM = ROOT / "deploy" / "helm"
REFERENCE = ROOT / "docs" / "reference"
PRODUCER_STOP_S = 5
Json = dict[str, Any]


def load(path: Path) -> Any:
    return yaml.safe_load(path.read_text(encoding="utf-8"))


def table(page: str) -> list[list[str]]:
    """The cells of every row of a reference page's tables, without the backticks."""
    lines = (REFERENCE / page).read_text(encoding="utf-8").splitlines()
    return [[cell.strip(" `") for cell in line.strip("|").split(" |")] for line in lines if line[:1] == "|"]


def without_logic(template: str) -> str:
    """A chart's template with every action of a line of its own left out, and every other one replaced by a word."""
    kept = [line for line in template.splitlines() if not re.fullmatch(r"\s*\{\{.*\}\}\s*", line)]
    return re.sub(r"\{\{.*?\}\}", "word", "\n".join(kept))


def templates() -> dict[str, str]:
    return {path.name: path.read_text(encoding="utf-8") for path in sorted((HELM / "templates").iterdir())}


def documents() -> dict[str, Json]:
    """The chart's documents by kind."""
    found = [
        document
        for name, text in templates().items()
        if name.endswith(".yaml")
        for document in yaml.safe_load_all(without_logic(text))
        if document
    ]
    return {document["kind"]: document for document in found}


def variables() -> Iterator[tuple[str, str]]:
    """Every setting that a deployment names, and where."""
    for name, text in templates().items():
        yield from ((variable, name) for variable in re.findall(r"- name: ([A-Z][A-Z_]+)\n", text))
    for service, values in load(HELM / "values.yaml")["services"].items():
        yield from ((variable, f"values.yaml, {service}") for variable in values["env"])
    compose = load(ROOT / "deploy" / "compose.yaml")["services"]
    for service in (*SERVICES, "topics"):
        yield from ((variable, f"compose.yaml, {service}") for variable in compose[service]["environment"])


def test_every_setting_that_a_deployment_gives_is_one() -> None:
    known = {row[0] for row in table("settings.md")}
    given = list(variables())
    assert len(given) > 30
    assert [(variable, where) for variable, where in given if variable not in known] == []


@pytest.fixture
def values() -> Json:
    found: Json = load(HELM / "values.yaml")
    return found


def test_the_chart_and_compose_have_every_service_on_its_port(values: Json) -> None:
    compose = load(ROOT / "deploy" / "compose.yaml")["services"]
    assert set(values["services"]) == set(SERVICES)
    for name in SERVICES:
        port = StackSettings.model_fields[f"{name}_port"].default
        assert values["services"][name]["port"] == port
        assert compose[name]["environment"]["FAULTLINE_HTTP_PORT"] == port
        assert compose[name]["ports"] == [f"127.0.0.1:{port}:{port}"]
        assert compose[name]["command"] == f"python -m services.{name}.main"
        has_database = name in DATABASE_SERVICES
        assert bool(values["services"][name]["databaseSecret"]) is has_database
        assert ("DATABASE_URL" in compose[name]["environment"]) is has_database


def test_a_stop_may_drain(values: Json) -> None:
    """Requests and then batches have the service's time each; the producer has a few seconds after them."""
    shutdown_s = ServiceSettings.model_fields["shutdown_timeout_ms"].default / 1000
    assert values["shutdownTimeoutMs"] == shutdown_s * 1000
    pod = documents()["Deployment"]["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    before_s = int(container["lifecycle"]["preStop"]["exec"]["command"][1])
    assert values["terminationGracePeriodSeconds"] > before_s + 2 * shutdown_s + PRODUCER_STOP_S
    compose = load(ROOT / "deploy" / "compose.yaml")["services"]
    for name in SERVICES:
        assert int(compose[name]["stop_grace_period"].removesuffix("s")) > 2 * shutdown_s + PRODUCER_STOP_S


def test_the_chart_probes_what_every_service_answers() -> None:
    found = documents()
    assert set(found) == {"Deployment", "Service", "PodDisruptionBudget", "Job"}
    (container,) = found["Deployment"]["spec"]["template"]["spec"]["containers"]
    paths = {
        name: container[f"{name}Probe"]["httpGet"]["path"] for name in ("startup", "liveness", "readiness")
    }
    assert paths == {"startup": "/healthz", "liveness": "/healthz", "readiness": "/readyz"}
    # /readyz takes up to 3 s to say that a dependency hangs.
    assert container["readinessProbe"]["timeoutSeconds"] > 3
    assert found["PodDisruptionBudget"]["spec"]["maxUnavailable"] == 1


def test_the_chart_holds_no_secret() -> None:
    for name, text in templates().items():
        for variable in ("DATABASE_URL", "OPERATOR_KEY", "SASL_USERNAME", "SASL_PASSWORD"):
            for place in re.finditer(rf"- name: \w*{variable}\n(.*)\n(.*)\n", text):
                assert "secretKeyRef" in place.group(2), (name, variable)


def test_every_value_that_a_template_asks_for_is_there(values: Json) -> None:
    for name, text in templates().items():
        for path in re.findall(r"\.Values((?:\.\w+)+)", text):
            node: Any = values
            for part in path.strip(".").split("."):
                assert part in node, (name, path)
                node = node[part]
        service = next(iter(values["services"].values()))
        for part in re.findall(r"\$service\.(\w+)", text):
            assert part in service, (name, part)


@pytest.fixture(scope="module")
def schema() -> jsonschema_rs.Draft7Validator:
    return jsonschema_rs.Draft7Validator(
        json.loads((HELM / "values.schema.json").read_text(encoding="utf-8"))
    )


def test_the_values_are_as_their_schema_says(schema: jsonschema_rs.Draft7Validator, values: Json) -> None:
    assert [error.message for error in schema.iter_errors(values)] == []


@pytest.mark.parametrize(
    ("path", "wrong"),
    [
        ("kafka.securityProtocol", "TLS"),
        ("topics.partitions", 0),
        ("services.arbitration.databaseSecret", ""),
        ("services.intake.port", "8001"),
        ("services.intake.env", {"FAULTLINE_CLOCK_FILE": "/tmp/clock.json"}),
        ("services.intake.env", {"FAULTLINE_CHUNK_EVENTS": 5}),
        ("services.intake.replica", 3),
        ("operatorKey", "flt_op_x"),
    ],
)
def test_wrong_values_are_refused(
    schema: jsonschema_rs.Draft7Validator, values: Json, path: str, wrong: object
) -> None:
    *parents, last = path.split(".")
    node = values
    for parent in parents:
        node = node[parent]
    node[last] = wrong
    assert not schema.is_valid(values)


def queries() -> list[tuple[str, str]]:
    """Every query of the alarms and of the dashboard, with its name."""
    rules = [
        rule for group in load(ROOT / "deploy/prometheus/alerts.yml")["groups"] for rule in group["rules"]
    ]
    dashboard = json.loads((ROOT / "deploy/grafana/faultline.json").read_text(encoding="utf-8"))
    panels = [
        (panel["title"], target["expr"]) for panel in dashboard["panels"] for target in panel["targets"]
    ]
    return [(rule["alert"], rule["expr"]) for rule in rules] + panels


def test_every_metric_and_label_that_is_asked_for_exists() -> None:
    labels = {row[0]: {"job", "instance", "le", *row[3].split(", ")} for row in table("metrics.md")}
    assert len(queries()) > 25
    for name, query in queries():
        used = re.findall(r"\b(faultline_\w+)(?:\{(.*?)\})?", query)
        assert used or "up{" in query, name
        for metric, selectors in used:
            declared = metric if metric in labels else re.sub("_(bucket|count|sum)$", "", metric)
            assert declared in labels, (name, metric)
            assert set(re.findall(r"(\w+)\s*[=!]~?", selectors)) <= labels[declared], (name, selectors)


def test_every_alarm_says_what_to_do() -> None:
    (group,) = load(ROOT / "deploy/prometheus/alerts.yml")["groups"]
    names = [rule["alert"] for rule in group["rules"]]
    assert len(set(names)) == len(names)
    for rule in group["rules"]:
        assert rule["labels"]["severity"] in ("page", "ticket"), rule
        assert rule["annotations"]["summary"].endswith("."), rule
        assert len(rule["annotations"]["do"]) > 40, rule
        for label in re.findall(r"\$labels\.(\w+)", str(rule["annotations"])):
            assert label == "instance" or label in {
                cell for row in table("metrics.md") for cell in row[3].split(", ")
            }


def test_prometheus_scrapes_every_service_of_compose() -> None:
    (job,) = load(ROOT / "deploy/prometheus/prometheus.yml")["scrape_configs"]
    ports = {name: StackSettings.model_fields[f"{name}_port"].default for name in SERVICES}
    (targets,) = (group["targets"] for group in job["static_configs"])
    assert sorted(targets) == sorted(f"{name}:{port}" for name, port in ports.items())
    assert load(ROOT / "deploy/prometheus/kubernetes.yml")["scrape_configs"][0]["job_name"] == job["job_name"]
