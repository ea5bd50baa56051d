"""Whole archives: which videos, their tasks, one resumable run over them, and results as files."""
