"""The admin of directories."""
