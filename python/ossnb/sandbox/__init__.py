"""A Python session in a process of its own, with walls around it where the system has them."""
