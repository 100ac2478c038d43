"""Helpers beside the tests are found by name; no test reads the user's folders or the network."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
