"""What a change of a directory's settings would do, reckoned before it is saved. Contacts no directory."""
