#!/usr/bin/env python3
"""A sample script of the kind Script: people with their contracts out of two CSV files, a record a line.

The folder of the files is the first argument. What goes wrong is said on stderr, and the code is then not 0, so that
the portal changes nothing.
"""

import csv
import json
import sys
from collections import defaultdict
from pathlib import Path


def main(folder: Path) -> None:
    """Print one JSON object a person."""
    contracts = defaultdict(list)
    with (folder / "contracts.csv").open(newline="", encoding="utf-8") as file:
        for row in csv.DictReader(file):
            contracts[row.pop("EmployeeId")].append(row)
    with (folder / "people.csv").open(newline="", encoding="utf-8") as file:
        for row in csv.DictReader(file):
            json.dump({**row, "Contracts": contracts[row["ExternalId"]]}, sys.stdout)
            sys.stdout.write("\n")


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("Give the folder of the CSV files as the argument.")
    main(Path(sys.argv[1]))
