"""A model's files: they are found or fetched, verified and mapped; packed copies are made from them."""
