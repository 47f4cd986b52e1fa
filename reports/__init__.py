"""What happened, to whom, where and why: a leaf that every other app writes to."""
