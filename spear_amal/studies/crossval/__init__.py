"""Repeated outer cross-validation on one partly labelled table, and what may be said from it."""
