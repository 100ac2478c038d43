"""One file a corpus: its checksums, its sources and how its files become rows."""
