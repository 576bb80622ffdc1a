"""The version, which saved answers name."""

__version__ = "0.1.0"
