"""Contracts, departments and locations, and the settings of what follows from contracts."""
