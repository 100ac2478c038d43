"""Build entry point: what setup.cfg cannot say, for it can name no package beside found ones."""

from setuptools import find_packages, setup

# Folders of the clone that a wheel holds as data of the package; spear_amal.io.shipped finds them.
DATA = {"spear_amal.labeling_functions": "labeling_functions", "spear_amal.datasets": "datasets"}

setup(packages=[*find_packages(include=["spear_amal", "spear_amal.*"]), *DATA], package_dir=DATA)
