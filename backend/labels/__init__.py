"""What people labelled: events as they arrive, and the labels as a set to learn from."""
