"""Deadlift video in, repetitions with anomaly scores out: pure functions and values, no server, no environment."""
