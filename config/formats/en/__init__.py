"""The formats of the portal's language."""
