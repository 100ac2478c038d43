"""LFs on documents that spaCy has parsed, under Snorkel's name of the module."""

from spear_amal.labeling.nlp import NLPLabelingFunction, SpacyPreprocessor, nlp_labeling_function

__all__ = ["NLPLabelingFunction", "SpacyPreprocessor", "nlp_labeling_function"]
