"""A command-line trainer for PyTorch interviews."""
