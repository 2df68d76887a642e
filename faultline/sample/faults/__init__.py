"""What can go wrong with a parcel, a module for each family; importing this registers every scenario."""

from faultline.sample.faults import (
    claims,
    complaints,
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
