"""Rows of which each is a contract, put together to people. What is sorted is on disk, so memory does not grow."""

import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from fnmatch import fnmatchcase
from itertools import groupby
from operator import itemgetter

import orjson

from directories.attributes import Value
from directories.connectors.files.tables import Row
from directories.connectors.records import Flawed, Record, key_text

DIFFERENT = "The rows of this person differ in {name}. Make them the same in every row."


class ContractColumns:
    """Which columns belong to a contract: names, or patterns such as ``contract_*``, separated by commas."""

    def __init__(self, words: str, number: str) -> None:
        self._patterns = [word.strip().casefold() for word in words.split(",") if word.strip()]
        self._number = number.casefold()
        self._known: dict[str, bool] = {}

    def __contains__(self, name: str) -> bool:
        known = self._known.get(name)
        if known is None:
            folded = name.casefold()
            known = folded == self._number or any(fnmatchcase(folded, pattern) for pattern in self._patterns)
            self._known[name] = known
        return known


def grouped(rows: Iterable[Row], *, key: str, columns: ContractColumns, contracts: str) -> Iterator[Row]:
    """Yield one record a person, with their contracts as a list under the name ``contracts``; in the order of keys."""
    with closing(sqlite3.connect("", check_same_thread=False)) as store:  # "" is a file that only this process has
        store.execute("CREATE TABLE row (number INTEGER PRIMARY KEY, key TEXT, cells BLOB)")
        for row in rows:
            record = row.record if isinstance(row, Flawed) else row
            who = key_text(_value(record, key)) if isinstance(record, Mapping) else ""
            if isinstance(row, Flawed) or not who:
                yield row
            if who:
                kept = {"problem": row.problem} if isinstance(row, Flawed) else {"cells": record}
                store.execute("INSERT INTO row (key, cells) VALUES (?, ?)", (who, orjson.dumps(kept)))
        found = store.execute("SELECT key, cells FROM row ORDER BY key, number")
        for _, of_one in groupby(found, itemgetter(0)):
            kept_rows = [orjson.loads(cells) for _, cells in of_one]
            if not any("problem" in one for one in kept_rows):
                yield _person([one["cells"] for one in kept_rows], columns, contracts)


def _person(rows: Sequence[Record], columns: ContractColumns, contracts: str) -> Row:
    person: dict[str, Value] = {name: value for name, value in rows[0].items() if name not in columns}
    found: list[dict[str, Value]] = []
    for row in rows:
        differing = next((name for name, value in person.items() if row.get(name) != value), "")
        if differing:
            return Flawed(person, DIFFERENT.format(name=differing))
        contract = {name: value for name, value in row.items() if name in columns}
        if any(value is not None for value in contract.values()):
            found.append(contract)
    return {**person, contracts: found}


def _value(record: Record, name: str) -> object:
    if name in record:
        return record[name]
    folded = name.casefold()
    return next((value for key, value in record.items() if key.casefold() == folded), None)
