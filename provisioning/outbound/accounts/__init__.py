"""Accounts of users in directories."""
