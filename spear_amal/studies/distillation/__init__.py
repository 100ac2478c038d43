"""Studies of distillation, each a module with its ``STUDY``; the catalogue has their names."""
