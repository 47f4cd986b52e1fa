"""What is known of a person: profile fields and custom attributes."""
