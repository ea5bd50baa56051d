"""Everything that knows Label Studio: its API, its JSON and frames, its labeling configs, its media."""
