"""The admin of groups."""
