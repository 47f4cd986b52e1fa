"""The guard: how much may be lost without a person being asked, whatever the door. It knows no door."""
