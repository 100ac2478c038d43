"""The scripts are for type checkers to read; collecting doctests would run them."""

collect_ignore_glob = ["*_use.py"]
