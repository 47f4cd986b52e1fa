"""Gateways: machines on premise that run connectors for the portal, and the mailbox through which they are asked."""
