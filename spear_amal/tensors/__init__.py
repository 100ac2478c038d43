"""Tensors in forms that torch lacks: sparse rows and packed tables of booleans."""
