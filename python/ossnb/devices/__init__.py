"""The devices that a model may compute on: the cards of this machine, what fits on one, and which to take."""
