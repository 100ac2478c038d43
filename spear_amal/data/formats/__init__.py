"""Formats of other tools: SPEAR's pickles, read without running them, and WRENCH's folders."""
