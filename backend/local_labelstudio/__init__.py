"""A Label Studio of our own on this machine: installed, started, and shown with videos by `deadlift demo`."""
