"""Benches: ``make bench`` (``N=100000`` for another size) measures the product against floors in the same run."""
