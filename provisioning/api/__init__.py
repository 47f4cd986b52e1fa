"""The portal's own REST API, under ``/api/v1/``."""
