"""The rules: one file per rulebook, custody and liability, and the dated parameters they read (`rulebooks/*.yaml`)."""
