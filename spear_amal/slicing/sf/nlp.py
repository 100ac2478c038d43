"""Slicing functions on documents that spaCy has parsed, under Snorkel's name of the module."""

from spear_amal.slicing.functions import NLPSlicingFunction, nlp_slicing_function

__all__ = ["NLPSlicingFunction", "nlp_slicing_function"]
