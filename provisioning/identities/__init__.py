"""Writing users, groups and memberships."""
