"""The admin of users."""
