"""The tables of notify and every statement on them."""
