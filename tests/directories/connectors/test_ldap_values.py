"""Values of LDAP attributes, from and to bytes."""

import datetime as dt

import pytest
from hypothesis import given
from hypothesis import strategies as st

from directories.connectors.ldap import values


def test_binary_ids_become_readable() -> None:
    sid = bytes.fromhex("010500000000000515000000a065cf7e784b9b5fe77c8770091c0100")
    assert values.decode("objectSid", [sid]) == "S-1-5-21-2127521184-1604012920-1887927527-72713"
    guid = bytes(range(16))
    shown = values.decode("objectGUID", [guid])
    assert shown == "03020100-0504-0706-0809-0a0b0c0d0e0f"
    assert values.encode("objectGUID", shown) == [guid]


def test_times_become_times_and_never_is_none() -> None:
    when = dt.datetime(2024, 2, 29, 12, 0, tzinfo=dt.UTC)
    assert values.decode("whenCreated", [b"20240229120000.0Z"]) == when
    assert values.decode("accountExpires", [str(values.to_filetime(when)).encode()]) == when
    assert values.decode("accountExpires", [b"9223372036854775807"]) is None
    assert values.decode("lockoutTime", [b"0"]) is None
    assert values.encode("accountExpires", when.date()) == [str(values.to_filetime(when) - 432_000_000_000).encode()]


def test_several_values_stay_several() -> None:
    assert values.decode("mail", [b"a@x", b"b@x"]) == ("a@x", "b@x")
    assert values.decode("memberOf", [b"cn=one"]) == ("cn=one",)
    assert values.decode("mail", []) is None
    with pytest.raises(UnicodeDecodeError):
        values.decode("mail", [b"\xff"])


BYTES = st.lists(st.binary(min_size=1, max_size=3), max_size=5, unique=True)


@given(held=BYTES, wanted=BYTES, whole=st.booleans())
def test_the_differences_lead_to_what_is_wanted(held: list[bytes], wanted: list[bytes], whole: bool) -> None:
    wanted = wanted if whole else wanted[:1]
    now = list(held)
    for operation, data in values.differences(held, wanted, whole=whole):
        if operation == "MODIFY_REPLACE":
            now = list(data)
        elif operation == "MODIFY_ADD":
            assert not set(data) & set(now)
            now += data
        else:
            assert set(data) <= set(now)
            now = [value for value in now if value not in data] if data else []
    if whole or not wanted:
        assert set(now) == set(wanted)
    else:
        assert now[0] == wanted[0]
        assert set(now) >= set(held[1:])
    assert values.differences(now, wanted, whole=whole) == []
