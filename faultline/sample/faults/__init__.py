"""What can go wrong with a parcel, a module for each family; importing this registers every scenario."""

from faultline.sample.faults import (
    claims,
    complaints,
    daily,
    decisions,
    delays,
    desk,
    losses,
    national,
    notices,
    returns,
    scans,
    sorting,
)

__all__ = [
    "claims",
    "complaints",
    "daily",
    "decisions",
    "delays",
    "desk",
    "losses",
    "national",
    "notices",
    "returns",
    "scans",
    "sorting",
]
