"""Many questions to one model: samples of one answer, rows of a table."""
