"""Contracts and departments: what HR says of people's employment, and what follows from it. It knows no door."""
