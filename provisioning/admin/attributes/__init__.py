"""The admin of attributes."""
