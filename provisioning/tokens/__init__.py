"""Tokens with which programs use the portal's REST API, and the answers that are kept for a repeated request."""
