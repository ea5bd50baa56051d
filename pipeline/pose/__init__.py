"""Landmarks of the lifter: estimated by MediaPipe, kept on disk, checked for the same person from pose to pose."""
