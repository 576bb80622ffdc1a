"""A model's files: found or fetched, verified, mapped; and the packed copies made from them."""
