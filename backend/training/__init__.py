"""When a model is trained, one training run from labels to a verdict, and its record in MLflow."""
