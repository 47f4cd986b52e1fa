"""Reconciliation: what a directory really holds against what the portal wants, and what to do about each difference."""
