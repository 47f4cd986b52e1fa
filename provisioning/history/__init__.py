"""Why something is as it is, what it was at a date, and one account looked at on demand; told from report lines."""
