"""Which video people label next, and which videos show the same lifter and camera."""
