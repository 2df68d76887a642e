"""The routes of notify (contract.md §4)."""
