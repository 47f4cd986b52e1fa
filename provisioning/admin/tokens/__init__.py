"""The admin of API tokens."""
