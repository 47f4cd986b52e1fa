"""The forms of a directory's page: connection, query templates, mapping, features, and all of them together."""
