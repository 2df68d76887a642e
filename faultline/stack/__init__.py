"""The local stack: a real broker, a real database and the services, each a process of its own, supervised."""
