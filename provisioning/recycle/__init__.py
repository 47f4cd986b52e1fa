"""The recycle bin: what deleted users were, so that they come back with what they had."""
