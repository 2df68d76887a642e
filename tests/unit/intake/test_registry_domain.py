"""Circles of parents, and what an exemption covers."""

from __future__ import annotations

from datetime import UTC, date, datetime

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.intake import registry_domain as domain
from shared.registry import Exemption, SiteRecord

NOW = datetime(2026, 3, 5, tzinfo=UTC)
CODES = ("A1", "B1", "C1", "D1")


def site(code: str, parent: str | None, network: str = "tiantian") -> SiteRecord:
    return SiteRecord(
        network=network, site=code, name=code, kind="outlet", parent=parent, language="zh", recorded_at=NOW
    )


def registered(*sites: SiteRecord) -> dict[str, SiteRecord]:
    return {domain.site_key(record.network, record.site): record for record in sites}


def test_a_circle_is_named_from_the_site_to_itself() -> None:
    sites = registered(site("B1", "C1"), site("C1", "A1"))
    assert domain.parent_cycle(sites, site("A1", "B1")) == ["A1", "B1", "C1", "A1"]
    assert domain.parent_cycle(sites, site("A1", "A1")) == ["A1", "A1"]


def test_an_unknown_parent_or_a_like_named_site_elsewhere_closes_no_circle() -> None:
    sites = registered(site("B1", "A1", network="other"))
    assert domain.parent_cycle(sites, site("A1", "B1")) == []


def test_a_circle_further_up_is_not_this_sites_fault() -> None:
    sites = registered(site("B1", "C1"), site("C1", "B1"), site("D1", "D1"))
    assert domain.parent_cycle(sites, site("A1", "B1")) == []
    assert domain.parent_cycle(sites, site("A1", "D1")) == []


@given(st.lists(st.tuples(st.sampled_from(CODES), st.sampled_from((*CODES, None))), max_size=12))
def test_whatever_is_registered_one_after_the_other_every_chain_of_parents_ends(
    changes: list[tuple[str, str | None]],
) -> None:
    sites: dict[str, SiteRecord] = {}
    for code, parent in changes:
        record = site(code, parent)
        if not domain.parent_cycle(sites, record):
            sites[domain.site_key("tiantian", code)] = record
    for start in CODES:
        code: str | None = start
        for _ in range(len(CODES) + 1):
            record_or_none = sites.get(domain.site_key("tiantian", code)) if code else None
            code = record_or_none.parent if record_or_none else None
        assert code is None


def exemption(**where: object) -> Exemption:
    given_ = {"sites": None, "province": None, "city": None} | where
    return Exemption(
        network="tiantian",
        exemption_id="snow-1",
        from_=date(2011, 1, 3),
        to=date(2011, 1, 5),
        ground="snow",
        reason="roads closed",
        officer="Li",
        declared_at=NOW,
        **given_,  # type: ignore[arg-type]
    )


@pytest.mark.parametrize(
    ("where", "covered"),
    [
        ({"sites": ["GZ01"]}, True),
        ({"sites": ["BJ02"]}, False),
        ({"province": "广东"}, True),
        ({"province": "北京"}, False),
        ({"province": "广东", "city": "深圳"}, False),
        ({"city": "广州"}, True),
        ({"sites": ["BJ02"], "province": "广东"}, True),
        ({}, False),
    ],
)
def test_an_exemption_covers_the_sites_it_names_and_its_region(
    where: dict[str, object], covered: bool
) -> None:
    assert exemption(**where).covers("GZ01", "广东", "广州") is covered


def test_a_site_of_unknown_region_is_covered_by_name_only() -> None:
    assert not exemption(province="广东").covers("GZ01", None, None)
    assert domain.concerns_site(exemption(sites=["GZ01"]), "GZ01", {})


def test_declaring_again_at_another_time_is_the_same_exemption_but_another_event() -> None:
    first = exemption(sites=["GZ01"])
    later = msgspec.structs.replace(first, declared_at=datetime(2026, 3, 6, tzinfo=UTC))
    assert domain.same_exemption(first, later)
    assert domain.declared(first, "/desks/hq").id != domain.declared(later, "/desks/hq").id
    gone = domain.withdrawn(first, "/desks/hq", NOW)
    assert (gone.type, gone.subject, gone.data.withdrawn_at) == (
        "exemption.withdrawn",
        "tiantian/snow-1",
        NOW,
    )
    assert not domain.same_exemption(first, gone.data)
