"""SCIM 2.0 applications; what sets a product apart stands in its preset, as data."""
