"""Results as pictures and videos: annotated videos, SkeleMotion pictures, and where those are unusual."""
