"""The admin of imports."""
