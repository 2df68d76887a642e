"""Facts of a dry run, and which site an exemption of many covers (rules.md §7)."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest

from services.arbitration.domain import facts_from_members
from services.arbitration.rules.facts import Exempt
from services.arbitration.rules.localtime import day_number
from tests.unit.arbitration.build import at

GROUND = {"ground": "force_majeure", "reason": "flood", "officer": "Hu"}


def test_exemptions_without_an_id_are_numbered_and_moments_are_local_days() -> None:
    facts = facts_from_members(
        {
            "exemptions": [
                {
                    "sites": ["BJ02"],
                    "from": "2026-03-04T16:00:00Z",
                    "to": "2026-03-06T15:59:59+00:00",
                    **GROUND,
                },
                {"sites": ["BJ02"], "from": "2026-03-05", "to": "2026-03-06", **GROUND},
                {
                    "exemption_id": "own",
                    "sites": ["BJ02"],
                    "from": "2026-03-05",
                    "to": "2026-03-05",
                    **GROUND,
                },
            ]
        }
    )
    assert [one.exemption_id for one in facts.exemptions] == ["exemption-1", "exemption-2", "own"]
    assert {(one.from_, one.to) for one in facts.exemptions[:2]} == {(date(2026, 3, 5), date(2026, 3, 6))}


def test_a_dry_run_may_say_when_a_finding_was_first_issued() -> None:
    facts = facts_from_members({"first_issued": {"TT-04/BJ02": "2026-03-08T12:00:00+08:00"}})
    assert facts.first_issued == {"TT-04/BJ02": at(7)}


SITES: list[dict[str, Any]] = [
    {"site": "BJ02", "parent": "BJ00"},
    {"site": "BJ00", "province": "BJ", "city": "Beijing"},
    {"site": "TJ03", "province": "TJ", "parent": "BJ00"},
    {"site": "A1", "parent": "A2"},
    {"site": "A2", "parent": "A1"},
]


@pytest.mark.parametrize(
    ("where", "covered"),
    [
        ({"sites": ["TJ03"]}, {"TJ03"}),
        ({"province": "BJ"}, {"BJ02", "BJ00"}),
        ({"city": "Beijing"}, {"BJ02", "BJ00", "TJ03"}),
        ({"province": "TJ", "city": "Beijing"}, {"TJ03"}),
        ({"province": "TJ", "sites": ["BJ02"]}, {"TJ03", "BJ02"}),
        ({}, set()),
    ],
)
def test_a_site_has_the_region_of_its_parent_where_it_names_none(
    where: dict[str, Any], covered: set[str]
) -> None:
    day = {"from": "2026-03-05", "to": "2026-03-05"}
    facts = facts_from_members({"exemptions": [{**where, **day, **GROUND}], "sites": SITES})
    exempt = Exempt(facts)
    on = day_number(date(2026, 3, 5))
    assert {site["site"] for site in SITES if list(exempt.on(on, site["site"]))} == covered
    assert not any(list(exempt.on(other, "TJ03")) for other in (on - 1, on + 1))


def test_outlets_above_each_other_end_somewhere() -> None:
    sites = [{"kind": "outlet", **site} for site in SITES]
    facts = facts_from_members(
        {"sites": [*sites, {"site": "H1", "kind": "hub"}, {"site": "B1", "parent": "H1"}]}
    )
    tops = {site: facts.first_level_outlet(site) for site in ("BJ02", "TJ03", "A1", "B1", "XX09")}
    assert tops == {"BJ02": "BJ00", "TJ03": "BJ00", "A1": "A2", "B1": "B1", "XX09": "XX09"}
