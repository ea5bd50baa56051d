"""The outside world around the pipeline: HTTP, Label Studio, disk, jobs and the command line."""
