"""The forms that an answer can be held to: what is told to the model, what may be written, what was meant."""
