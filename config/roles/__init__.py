"""The portal's roles: their rights in words, and the pages on which they are copied, changed and deleted."""
