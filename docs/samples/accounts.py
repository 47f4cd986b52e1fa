#!/usr/bin/env python3
"""A sample of a script that keeps accounts: they stand in one JSON file, whose path is the first argument.

The last argument is the operation, and what it is about comes as one JSON object on the standard input. What goes wrong
is said on stderr, and the code is then not 0: 73 when a name is taken, 75 when the portal is to try again later.
"""

import fcntl
import hashlib
import json
import os
import sys
import uuid
from pathlib import Path

TAKEN = 73


def main(file: Path, operation: str) -> None:
    """Do one operation, and print what the account is then."""
    asked = {} if operation == "list" else json.load(sys.stdin)
    with file.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        accounts = json.loads(file.read_text("utf-8")) if file.exists() else {}
        if operation == "list":
            sys.stdout.write("\n".join(json.dumps(shown(one)) for one in accounts.values()) or "[]")
            return
        account = find(accounts, asked)
        if operation != "find":
            account = changed(accounts, account, operation, asked)
            new = file.with_suffix(".new")
            new.write_text(json.dumps(accounts), "utf-8")
            new.replace(file)
    json.dump(account and shown(account), sys.stdout)


def find(accounts: dict, asked: dict) -> dict | None:
    """Return the account: by its number, and by its name before that is known."""
    if asked["id"]:
        return accounts.get(asked["id"])
    return next((one for one in accounts.values() if one["username"] == asked["username"]), None)


def changed(accounts: dict, account: dict | None, operation: str, asked: dict) -> dict | None:
    """Change an account, and return it; None when it is not there, or not any more."""
    if operation == "create":
        if account is not None:
            sys.stderr.write("The name is taken.\n")
            sys.exit(TAKEN)
        number = str(uuid.uuid4())
        account = accounts[number] = {"id": number, "enabled": asked["enabled"]}
    if account is None:
        return None
    if operation in ("create", "update"):
        account["username"], account["attributes"] = asked["username"], asked["attributes"]
    if operation in ("enable", "disable"):
        account["enabled"] = operation == "enable"
    if "password" in asked:
        salt = os.urandom(16)
        key = hashlib.scrypt(asked["password"].encode(), salt=salt, n=2**14, r=8, p=1)
        account["password"] = f"{salt.hex()}${key.hex()}"
    if operation == "delete":
        del accounts[account["id"]]
        return None
    return account


def shown(account: dict) -> dict:
    """Return an account without its password."""
    return {name: value for name, value in account.items() if name != "password"}


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit("Give the path of the JSON file as the argument.")
    main(Path(sys.argv[1]), sys.argv[2])
