"""The machine: cores, memory, disk, files that appear whole, progress in a terminal."""
