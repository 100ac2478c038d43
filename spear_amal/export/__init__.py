"""Trained models as files that other programs run, and cards that describe them."""
