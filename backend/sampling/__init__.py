"""Which video people label next, and which videos look alike."""
