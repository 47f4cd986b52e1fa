"""Tokens of applications, OAuth 2, strangers, and whom an application sees."""
