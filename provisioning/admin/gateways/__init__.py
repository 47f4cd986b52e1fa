"""The admin of gateways."""
