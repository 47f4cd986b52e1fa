"""Business rules: who should have what, by conditions on people and their contracts."""
