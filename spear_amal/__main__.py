"""``python -m spear_amal``: the same as the command ``spear-amal``."""

from spear_amal.cli import main

if __name__ == "__main__":
    main()
