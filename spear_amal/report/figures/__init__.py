"""Figures of reports and documents, drawn with matplotlib (extra ``report``)."""
