"""How queued notices reach the world: the sender, its channels, and what it does where one cannot be reached."""
