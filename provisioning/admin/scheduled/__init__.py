"""The page "Scheduled": accounts that are disabled and will be deleted."""
