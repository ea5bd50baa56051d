"""From labelled repetitions to a detector, and whether it may replace the one in use."""
