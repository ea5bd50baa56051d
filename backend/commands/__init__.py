"""The commands of `deadlift`, one file each; backend/cli.py puts them together."""
