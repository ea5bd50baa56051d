"""Tasks in, predictions out: jobs, what runs in a worker, and delivery into Label Studio."""
