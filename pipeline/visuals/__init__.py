"""What people look at: the annotated video, and where an image deviates from normal repetitions."""
