"""Look inside a reply: tokens with their probabilities, the experts that read them, and the pictures."""
