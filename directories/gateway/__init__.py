"""The on-premise gateway: runs connectors beside their directories, for a portal that cannot reach them. No Django."""
