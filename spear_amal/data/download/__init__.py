"""Where corpora come from: sources, the data folder, the cache and its checksums."""
