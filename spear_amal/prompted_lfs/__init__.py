"""Labelling functions that ask a language model."""
