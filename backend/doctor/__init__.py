"""What `deadlift doctor` checks: this machine, and the connection with Label Studio."""
