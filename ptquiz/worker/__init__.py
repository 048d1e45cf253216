"""The child process that loads a submission and runs the hidden checks on it."""
