"""The C++ engine as several threads share it, and what can be read off it."""
