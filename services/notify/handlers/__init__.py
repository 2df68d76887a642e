"""What comes in on topics, and what falls due by the clock."""
