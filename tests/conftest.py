"""What holds for all tests."""

from hypothesis import settings

# Time limits per example would fail on a busy machine: speed is measured in benchmarks/.
settings.register_profile("here", deadline=None)
settings.load_profile("here")
