"""One file a change of the tables, applied in order and never edited after a release."""
