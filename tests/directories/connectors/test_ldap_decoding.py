"""Entries taken apart by hand are what ldap3 makes of them, whatever their lengths, and messages may come in pieces."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from ldap3.operation.search import search_result_entry_response_to_dict_fast
from ldap3.utils.asn1 import decode_message_fast

from directories.connectors.ldap.decoding import EntryStrategy, entry_in


def element(tag: int, value: bytes) -> bytes:
    size = len(value)
    if size < 0x80:
        return bytes([tag, size]) + value
    length = size.to_bytes((size.bit_length() + 7) // 8, "big")
    return bytes([tag, 0x80 | len(length)]) + length + value


def message(dn: str, attributes: dict[str, list[bytes]], number: int = 7) -> bytes:
    listed = b"".join(
        element(0x30, element(4, name.encode()) + element(0x31, b"".join(element(4, value) for value in held)))
        for name, held in attributes.items()
    )
    body = element(0x64, element(4, dn.encode()) + element(0x30, listed))
    return element(0x30, element(2, bytes([number])) + body)


names = st.from_regex(r"[A-Za-z][A-Za-z0-9-]{0,20}", fullmatch=True)
entries = st.dictionaries(names, st.lists(st.binary(max_size=400), max_size=5), max_size=8)


@pytest.mark.heavy
@given(st.text(st.characters(codec="utf-8"), max_size=300), entries)
def test_the_same_as_ldap3(dn: str, attributes: dict[str, list[bytes]]) -> None:
    data = message(dn, attributes)
    found = entry_in(b"before" + data + b"after", 6)
    theirs = search_result_entry_response_to_dict_fast(decode_message_fast(data)["payload"], None, None, False)
    assert found is not None
    assert found.dn == theirs["dn"]
    assert list(found.names) == list(attributes)
    for name, values in attributes.items():
        if [other.lower() for other in attributes].count(name.lower()) == 1:
            assert list(found.get(name.upper())) == values == list(theirs["raw_attributes"][name] or [])


def test_parts_of_a_long_attribute_and_other_messages_are_left_to_ldap3() -> None:
    assert entry_in(message("cn=x", {"member;range=0-1499": [b"cn=y"]}), 0) is None
    done = element(0x30, element(2, b"\x07") + element(0x65, element(10, b"\x00") + element(4, b"") + element(4, b"")))
    assert entry_in(done, 0) is None


class Slow:
    """A socket that gives a few bytes at a time."""

    def __init__(self, data: bytes, step: int) -> None:
        self.parts = [data[at : at + step] for at in range(0, len(data), step)]

    def recv(self, size: int) -> bytes:
        return self.parts.pop(0) if self.parts else b""


@pytest.mark.parametrize("step", [1, 2, 3, 7, 100, 100_000])
def test_messages_in_pieces(step: int) -> None:
    people = [message(f"cn={n}", {"cn": [b"x" * n], "mail": [b"a", b"b" * 200]}) for n in (1, 130, 300)]
    done = element(0x30, element(2, b"\x07") + element(0x65, element(10, b"\x00") + element(4, b"") + element(4, b"")))

    class Connection:
        socket: Any = Slow(b"".join(people) + done, step)

    strategy = EntryStrategy.__new__(EntryStrategy)
    strategy.connection, strategy._rest, strategy._entries = Connection(), b"", []
    assert strategy.receiving() == [done]
    assert [item["entry"].dn for item in strategy._entries] == ["cn=1", "cn=130", "cn=300"]
    assert [len(item["entry"].get("cn")[0]) for item in strategy._entries] == [1, 130, 300]
    assert strategy.receiving() == []  # the server closed
