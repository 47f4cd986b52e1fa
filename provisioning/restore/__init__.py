"""A portal restored from a backup looks first: nothing goes out until a person has seen what would be changed.

``marks`` keeps outside the database how far it has come, ``continuity`` finds a database that is behind that, and
``holding`` keeps directories back. Knows neither deliveries nor imports, which ask it.
"""
