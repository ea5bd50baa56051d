"""How far a repetition is from normal ones: features, distances, calibration, reasons, and models on disk."""
