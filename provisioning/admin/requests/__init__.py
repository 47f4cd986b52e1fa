"""The admin's pages of self-service: products, requests, and substitutes."""
