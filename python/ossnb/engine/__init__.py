"""The C++ engine, shared by several threads, and the traces that can be read off it."""
