"""A dataset in files: one row per repetition, numbered versions, and the formats that other tools read."""
