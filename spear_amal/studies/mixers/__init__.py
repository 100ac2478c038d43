"""Studies of mixers, each a module with its ``STUDY``; the catalogue has their names."""
