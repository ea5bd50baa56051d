"""Figures that say how good repetitions and anomaly scores are, beside trivial baselines."""
