"""What tests share: the real broker and database, and a whole stack."""
