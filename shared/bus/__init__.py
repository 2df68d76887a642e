"""Kafka as the services use it: consuming with offsets kept in the database, publishing through an outbox."""
