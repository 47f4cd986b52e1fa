"""Files that describe directories: YAML with line numbers, what may stand in it, and where secrets are found."""
