"""Documents that a model may read: files, folders, tables; whole in its prompt, or searched."""
