"""Several processes: sums over their rows, and the process group in which they meet."""
