"""Groups in directories: who is in them, what goes out and how."""
