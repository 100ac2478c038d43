"""The labelling functions that ``spear-amal init`` gives a new project."""
