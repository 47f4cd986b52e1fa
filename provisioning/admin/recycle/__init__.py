"""The admin of the recycle bin."""
