"""Labelling functions that ask a trained model or an encoder."""
