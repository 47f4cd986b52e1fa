"""Passwords on their way to directories."""
