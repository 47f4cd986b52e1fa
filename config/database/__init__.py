"""Set-based writes and quick reads of any model; a leaf that every app may use."""
