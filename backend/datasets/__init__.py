"""A project's labels as a dataset: read from the database, written by `pipeline.datasets`."""
