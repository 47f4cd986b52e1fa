"""What external systems exist and how to speak to them; knows nothing of users."""
