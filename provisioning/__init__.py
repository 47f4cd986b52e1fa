"""Who should be where, and making it so."""
