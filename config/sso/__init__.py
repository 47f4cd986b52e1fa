"""Signing in through identity providers that speak OpenID Connect: which ones, and whom they vouch for."""
