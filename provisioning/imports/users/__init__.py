"""The users of an import: crawl, correlate, plan, leavers, apply."""
