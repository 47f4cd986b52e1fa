"""Making directories hold what the portal says: leases, batches, and what reconciles each kind of work."""
