"""Runs of other doors than an import: a planner for each door writes the plan, and one applier does the rest."""
