"""Pure functions on tensors: scores (B, C) in, one value per row (B,) out, no hidden reduction."""
