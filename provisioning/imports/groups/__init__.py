"""The groups and memberships of an import: crawl, plan, drift, apply."""
