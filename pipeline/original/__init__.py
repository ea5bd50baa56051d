"""The published project this one grew out of, kept for comparison: its image, network, density and rule."""
