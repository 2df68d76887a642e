"""What notify decides. Pure."""
