"""The pages of events: subscriptions, what was sent, and what was given up."""
