"""The benchmark: corpora times label models, end models and methods, beside published figures."""
