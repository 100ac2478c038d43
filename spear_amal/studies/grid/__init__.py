"""Studies that are a grid of runs: by condition, method and seed."""
