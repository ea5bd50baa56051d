"""One repetition as SkeleMotion images: what the detector judges, and what other networks and people look at."""
