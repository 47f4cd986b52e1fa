"""Lists of resources: what is asked, which page of it, and how many there are."""
