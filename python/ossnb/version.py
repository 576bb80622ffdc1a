"""The version of ossnb; saved answers name it."""

__version__ = "0.1.0"
