"""How dates and times are written on every page: ISO 8601, which sorts and is read alike everywhere."""
