"""What `deadlift doctor` looks at: this machine, and the connection with Label Studio."""
