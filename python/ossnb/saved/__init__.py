"""Answers as a saved notebook has them: what their metadata hold, and whether they come again."""
