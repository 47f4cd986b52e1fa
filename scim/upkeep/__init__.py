"""Setting applications up and looking after them: addresses, blueprints, health, dry runs and conformance."""
