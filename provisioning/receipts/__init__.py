"""Receipts: the proof that a leaver lost every account; opened by what enqueues a leaver, and closed by looks."""
