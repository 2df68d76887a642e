"""From records and due moments through the domain to the store."""
