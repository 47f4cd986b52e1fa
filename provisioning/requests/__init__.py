"""Self-service: products, requests for them, and the pages under /my/."""
