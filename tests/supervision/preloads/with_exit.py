"""A module that exits."""

import sys

sys.exit("settings are missing")
