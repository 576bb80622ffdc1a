"""A generation: its settings, its loop, its events, its reply."""
