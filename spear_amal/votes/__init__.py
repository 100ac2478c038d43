"""Votes of labelling functions: the label matrix, in memory, in one file and in parts on disk."""
