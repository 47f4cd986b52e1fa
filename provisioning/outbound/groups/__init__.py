"""Groups and memberships in directories."""
