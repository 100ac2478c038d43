"""The spaCy preprocessor, under Snorkel's name of the module."""

from spear_amal.labeling.nlp import SpacyPreprocessor

__all__ = ["SpacyPreprocessor"]
