"""Signing in to the portal: who is let in, how often somebody may try, and what the report tells of it."""
