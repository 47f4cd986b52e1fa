#!/usr/bin/env python3
"""A sample script of departments for the kind Script: one list. The folder of the file is the first argument."""

import csv
import json
import sys
from pathlib import Path

if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("Give the folder of the CSV file as the argument.")
    with (Path(sys.argv[1]) / "departments.csv").open(newline="", encoding="utf-8") as file:
        json.dump(list(csv.DictReader(file)), sys.stdout)
