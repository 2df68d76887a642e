"""A waybill's custody as a drawing: sites as lanes, events as marks, holding as bars, terms as lines. Pure geometry."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

from services.console.drawing.scale import Label, Scale, in_rows, spread
from services.console.drawing.terms import Late, late_of, terms_of
from services.console.formats import moment_of

LANE_HEIGHT = 54.0
NAMES_WIDTH = 132.0
WIDTH_MIN = 1040.0
MARGIN = 26.0
TEXT_SIZE = 12.0
_ROW_HEIGHT = 16.0

SHAPES = {
    "scan.collected": "collected",
    "scan.departed": "departed",
    "scan.arrived": "arrived",
    "scan.out_for_delivery": "out",
    "scan.problem": "problem",
    "scan.returned": "returned",
    "signature.recorded": "signed",
    "signature.voided": "voided",
}
_SHAPES_OF_GROUP = {
    "return": "request",
    "redirect": "request",
    "complaint": "complaint",
    "reply": "complaint",
    "report": "report",
    "notice": "notice",
    "evidence": "evidence",
    "appeal": "decision",
    "ruling": "decision",
    "compensation": "money",
    "cod": "money",
}


class Mark(NamedTuple):
    """An event. `number`: its row in the table of events, from 1; the number stands above the mark, `key` ties evidence to it."""

    x: float
    y: float
    shape: str
    number: int
    key: str
    type: str
    time: str
    recorded: str
    site: str


class Lane(NamedTuple):
    """A row of the drawing: a site of the chain (`role` says which link), another speaker, or a desk."""

    name: str
    role: str
    y: float
    rules: tuple[str, ...]
    """The rules by which the site is found liable: empty for the others."""


class Bar(NamedTuple):
    """A stretch of a lane. `kind`: `held`, `gap` (the parcel was there without an arrival scan), `late`."""

    x: float
    y: float
    width: float
    kind: str
    rule: str = ""


class Way(NamedTuple):
    """The way from one link to the next; `sure` unless the arrival was not scanned."""

    x1: float
    y1: float
    x2: float
    y2: float
    sure: bool


class Line(NamedTuple):
    """A moment for all lanes. `kind`: `term`, `appeal`, `review`, `now`."""

    x: float
    kind: str
    label: Label


@dataclass(slots=True)
class Timeline:
    """What is drawn, in the drawing's own units."""

    width: float
    height: float
    head: float
    """Where the lanes begin: above stand the labels of the lines, and of the days."""
    lanes: list[Lane]
    bars: list[Bar] = field(default_factory=list)
    ways: list[Way] = field(default_factory=list)
    marks: list[Mark] = field(default_factory=list)
    lines: list[Line] = field(default_factory=list)
    days: list[Label] = field(default_factory=list)

    @property
    def shapes(self) -> list[str]:
        """The shapes in it, for the legend, in the order of their first use."""
        return list(dict.fromkeys(mark.shape for mark in self.marks))

    @property
    def kinds(self) -> set[str]:
        """The kinds of bars and lines in it, for the legend."""
        return {bar.kind for bar in self.bars} | {line.kind for line in self.lines}

    @property
    def numbers(self) -> dict[str, int]:
        """The numbers of the marks by their keys."""
        return {mark.key: mark.number for mark in self.marks}

    @property
    def wide(self) -> bool:
        """Whether it needs more room than an ordinary page has."""
        return self.width > WIDTH_MIN + 1


class Moment(NamedTuple):
    """A line to be drawn: when, of what kind, what it is, and whom it concerns."""

    at: datetime
    kind: str
    what: str
    whom: str = ""


def draw(
    custody: Sequence[Mapping[str, Any]],
    findings: Sequence[Mapping[str, Any]],
    events: Sequence[Mapping[str, Any]],
    moments: Sequence[Moment],
    zone: ZoneInfo,
) -> Timeline | None:
    """The drawing of a case; None where there is nothing to draw.

    `events` in their order, `findings` of one version, `moments`: lines besides the findings' terms.
    """
    seen = [(event, at) for event in events if (at := moment_of(event["time"])) is not None]
    if not seen:
        return None
    standing = [finding for finding in findings if finding["state"] != "revoked"]
    late = late_of(standing, zone)
    lines = _merged(
        [
            *moments,
            *(Moment(term.at, "term", term.rule, term.site or "") for term in terms_of(standing, zone)),
        ]
    )
    lanes = _lanes(custody, standing, [event for event, _ in seen])
    times = spread([(moment, _lane_of(event)) for event, moment in seen])
    anchors = [*times, *(at for at, _, _ in lines), *_custody_moments(custody)]
    scale = Scale(anchors, NAMES_WIDTH + MARGIN, WIDTH_MIN - MARGIN)
    width = max(WIDTH_MIN, scale.end + MARGIN)
    labels = in_rows([(scale(at), text) for at, _, text in lines], TEXT_SIZE, width - 4)
    rows = 1 + max((label.row for label in labels), default=-1)
    head = 8 + rows * _ROW_HEIGHT + 22
    placed = [
        Lane(name, role, head + LANE_HEIGHT * (i + 0.5), rules) for i, (name, role, rules) in enumerate(lanes)
    ]
    drawn = Timeline(width, head + LANE_HEIGHT * len(placed) + 6, head, placed)
    y = {lane.name: lane.y for lane in placed}
    _draw_custody(drawn, custody, scale, y, late, max(anchors))
    for number, ((event, _), moment) in enumerate(zip(seen, times, strict=True), 1):
        drawn.marks.append(_mark(number, event, scale(moment), y[_lane_of(event)]))
    kinds = {(scale(at), text): kind for at, kind, text in lines}
    drawn.lines = [Line(label.x, kinds[label.x, label.text], label) for label in labels]
    drawn.days = _days(min(anchors), max(anchors), scale, zone, width)
    return drawn


def key_of(source: str, event_id: str) -> str:
    """What ties an evidence to its mark and its row."""
    return f"{source}/{event_id}"


def _merged(moments: Iterable[Moment]) -> list[tuple[datetime, str, str]]:
    """(when, kind, label): lines of one kind at one moment are one, which says of each matter whom it concerns."""
    said: dict[tuple[datetime, str], dict[str, dict[str, None]]] = {}
    for moment in moments:
        whom = said.setdefault((moment.at, moment.kind), {}).setdefault(moment.what, {})
        if moment.whom:
            whom[moment.whom] = None
    return [
        (at, kind, " · ".join(" ".join((what, *whom)) for what, whom in matters.items()))
        for (at, kind), matters in sorted(said.items())
    ]


def _lane_of(event: Mapping[str, Any]) -> str:
    source = str(event["source"])
    return source.removeprefix("/sites/") if source.startswith("/sites/") else source


def _lanes(
    custody: Sequence[Mapping[str, Any]],
    findings: Sequence[Mapping[str, Any]],
    events: Sequence[Mapping[str, Any]],
) -> list[tuple[str, str, tuple[str, ...]]]:
    """(name, role, rules of its findings): the chain in its order, other sites, desks and regulators last."""
    roles = {link["site"]: link["role"] for link in reversed(custody)}
    chain = list(dict.fromkeys(link["site"] for link in custody))
    speakers = sorted(
        {_lane_of(event) for event in events} - set(chain), key=lambda name: (name[0] == "/", name)
    )
    liable: dict[str, dict[str, None]] = {}
    for finding in findings:
        if finding["kind"] in ("fine", "compensation", "liability") and finding["site"]:
            liable.setdefault(finding["site"], {})[finding["rule"]] = None
    named = [*chain, *speakers]
    absent = [site for site in liable if site not in named]
    return [(name, roles.get(name, ""), tuple(liable.get(name, ()))) for name in [*chain, *absent, *speakers]]


def _custody_moments(custody: Sequence[Mapping[str, Any]]) -> list[datetime]:
    found = (moment_of(link[name]) for link in custody for name in ("received_at", "released_at"))
    return [moment for moment in found if moment is not None]


def _draw_custody(
    drawn: Timeline,
    custody: Sequence[Mapping[str, Any]],
    scale: Scale,
    y: Mapping[str, float],
    late: Sequence[Late],
    last: datetime,
) -> None:
    """Bars for what each link held, hatched where there was no arrival scan, and the ways between them."""
    before: tuple[float, float] | None = None
    for link in custody:
        received, released = moment_of(link["received_at"]), moment_of(link["released_at"])
        if before and received is None and released is None:
            begin = end = before[0] + 24
        else:
            begin = scale(received or released or last)
            end = scale(released or last)
        missing = link["received_by"] == "none"
        if missing and before:
            begin = round(min(begin, max(before[0] + 18, begin - 40)), 1)
        drawn.bars.append(
            Bar(begin, y[link["site"]], max(6.0, round(end - begin, 1)), "gap" if missing else "held")
        )
        if before:
            drawn.ways.append(Way(before[0], before[1], begin, y[link["site"]], not missing))
        before = (end, y[link["site"]])
    for stretch in late:
        begin, end = scale(stretch.begin), scale(min(stretch.end, last))
        # A stage is counted in days and may end within one: what the drawing shows of it ends with the holding.
        held = [bar for bar in drawn.bars if bar.kind == "held" and bar.y == y[stretch.site] and bar.x < end]
        end = max((min(end, bar.x + bar.width) for bar in held if bar.x + bar.width > begin), default=end)
        drawn.bars.append(Bar(begin, y[stretch.site], max(6.0, round(end - begin, 1)), "late", stretch.rule))


def _mark(number: int, event: Mapping[str, Any], x: float, y: float) -> Mark:
    kind = str(event["type"])
    shape = SHAPES.get(kind) or _SHAPES_OF_GROUP.get(kind.partition(".")[0], "other")
    if kind == "scan.arrived" and (event.get("data") or {}).get("via") == "bag":
        shape = "arrived_bag"
    key = key_of(event["source"], event["id"])
    recorded = str(event.get("recordedtime") or event["time"])
    return Mark(x, y, shape, number, key, kind, event["time"], recorded, _lane_of(event))


def _days(first: datetime, last: datetime, scale: Scale, zone: ZoneInfo, right: float) -> list[Label]:
    """The beginnings of the local days that there is room to name."""
    day = first.astimezone(zone).replace(hour=0, minute=0, second=0, microsecond=0)
    days = [Label(scale(first), 0, day.strftime("%Y-%m-%d"))]
    end = days[0].x + 76
    while (day := day + timedelta(days=1)) <= last and len(days) < 400:
        x = scale(day)
        if end <= x <= right - 44:
            days.append(Label(x, 0, day.strftime("%m-%d")))
            end = x + 44
    return days
