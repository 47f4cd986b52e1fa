"""Finding people and groups by any part of what they are called: the texts they are found by, and the search."""
