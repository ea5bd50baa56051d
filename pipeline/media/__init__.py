"""Media files: read by presentation timestamps, written for browsers, cut into clips, searched for camera shots."""
