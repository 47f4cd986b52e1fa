"""The pages of business rules."""
