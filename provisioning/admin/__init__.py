"""The admin of the roll, of directories and of imports; each module registers its own pages."""
