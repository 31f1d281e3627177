"""How a file is cut, what may be signed, what is missing, and what S3 may assemble."""

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chassis.errors import FieldViolation, InvalidArgument
from chassis.object_store import Part
from services.upload.domain.announcement import MAX_FILE_BYTES
from services.upload.domain.errors import PartMismatch, PartsMissing, PartTooSmall
from services.upload.domain.parts import (
    MIB,
    MIN_PART_BYTES,
    NamedPart,
    PartToSign,
    check_parts,
    check_sum,
    missing_parts,
    parts_to_assemble,
    present,
    suggested_count,
)

SHA = base64.b64encode(bytes(32)).decode()
FILE = 25 * MIB


def held(**sizes: int) -> list[Part]:
    """Parts that S3 holds: `held(p1=10)` is part 1 with 10 MiB."""
    return [Part(int(name[1:]), size * MIB, f"etag{name[1:]}") for name, size in sizes.items()]


def signable(*parts: PartToSign, size: int = FILE, signed: dict[int, int] | None = None) -> list[FieldViolation]:
    """What is wrong with signing these parts."""
    try:
        check_parts(size, parts)
        check_sum(size, signed or {}, parts)
    except InvalidArgument as failure:
        return list(failure.fields)
    return []


def test_a_file_is_cut_into_parts_of_10_mib() -> None:
    assert [suggested_count(size) for size in (1, 10 * MIB, 10 * MIB + 1, MAX_FILE_BYTES)] == [1, 1, 2, 15]


@pytest.mark.parametrize("number", [0, 6, 10_001, 2**32 - 1])
def test_a_part_number_lies_within_what_5_mib_parts_would_need(number: int) -> None:
    assert signable(PartToSign(number, 1, None)) == [
        FieldViolation("part_number", f"must be 1 to 5 for a file of {FILE:,} bytes, is {number:,}")
    ]
    assert signable(PartToSign(5, 1, None)) == []


@pytest.mark.parametrize("length", [0, FILE + 1, 2**63])
def test_a_part_has_1_byte_to_the_size_of_the_file(length: int) -> None:
    [violation] = signable(PartToSign(1, length, None))
    assert violation == FieldViolation(
        "content_length", f"must be 1 to {FILE:,} bytes, the size of the file, is {length:,} bytes"
    )


def test_all_signed_parts_together_do_not_exceed_the_file() -> None:
    signed = {1: 10 * MIB, 2: 10 * MIB}
    assert signable(PartToSign(3, 5 * MIB, None), signed=signed) == []
    assert signable(PartToSign(3, 5 * MIB + 1, None), signed=signed) == [
        FieldViolation(
            "content_length", f"makes all signed parts {FILE + 1:,} bytes together; declared were {FILE:,} bytes"
        )
    ]


def test_signing_a_part_again_replaces_its_length() -> None:
    assert signable(PartToSign(1, 15 * MIB, None), signed={1: 10 * MIB, 2: 10 * MIB}) == []


def test_a_batch_is_checked_as_a_whole_and_names_its_entries() -> None:
    batch = [PartToSign(1, 20 * MIB, None, "parts[0]."), PartToSign(2, 6 * MIB, None, "parts[1].")]
    assert [violation.field for violation in signable(*batch)] == ["parts[1].content_length"]
    twice = [PartToSign(1, 5, None, "parts[0]."), PartToSign(1, 5, "x", "parts[1].")]
    assert [violation.field for violation in signable(*twice)] == [
        "parts[1].part_number",
        "parts[1].checksum_sha256",
    ]


def test_every_part_of_an_upload_with_checksums_has_its_own() -> None:
    batch = [PartToSign(1, 5, SHA, "parts[0]."), PartToSign(2, 5, None, "parts[1].")]
    with pytest.raises(InvalidArgument) as raised:
        check_parts(FILE, batch, part_checksums=True)
    [violation] = raised.value.fields
    assert violation.field == "parts[1].checksum_sha256"
    assert violation.message.startswith("is missing; the upload was announced with part_checksums")


@pytest.mark.parametrize(("checksum", "accepted"), [(SHA, True), ("", False), (SHA[:-1], False), ("=" * 44, False)])
def test_a_checksum_is_a_sha256_in_base64(checksum: str, accepted: bool) -> None:
    assert (signable(PartToSign(1, 5, checksum)) == []) is accepted


@pytest.mark.parametrize(
    ("signed", "received", "missing"),
    [
        ({}, {}, [1, 2, 3]),
        ({1: 10}, {}, [1, 2, 3]),
        ({1: 10}, {"p1": 10}, [2, 3]),
        ({3: 5}, {"p3": 5}, [1, 2]),
        ({1: 10, 2: 10, 3: 5}, {"p1": 10, "p3": 5}, [2]),
        ({1: 10, 2: 10, 3: 5}, {"p1": 10, "p2": 10, "p3": 5}, []),
        # A client that cuts otherwise: 5 MiB, 8 MiB, one part.
        ({1: 5}, {"p1": 5}, [2, 3, 4, 5]),
        ({1: 5, 3: 5}, {"p1": 5, "p3": 5}, [2, 4, 5]),
        ({2: 8}, {}, [1, 2, 3, 4]),
        ({1: 25}, {}, [1]),
        ({1: 25}, {"p1": 25}, []),
    ],
)
def test_missing_parts_follow_the_way_a_client_cuts(
    signed: dict[int, int], received: dict[str, int], missing: list[int]
) -> None:
    assert missing_parts(FILE, {number: size * MIB for number, size in signed.items()}, held(**received)) == missing


@given(
    size=st.integers(1, MAX_FILE_BYTES),
    cut=st.integers(MIN_PART_BYTES, 30 * MIB),
    sent=st.sets(st.integers(1, 30)),
    signed=st.sets(st.integers(1, 30)),
)
def test_sending_what_is_missing_makes_every_regular_cut_whole(
    size: int, cut: int, sent: set[int], signed: set[int]
) -> None:
    lengths = {number: min(cut, size - (number - 1) * cut) for number in range(1, -(-size // cut) + 1)}
    signed_lengths = {number: lengths[number] for number in lengths if number in signed | sent}
    received = [Part(number, lengths[number], "") for number in lengths if number in sent]
    missing = missing_parts(size, signed_lengths, received)
    assert not {part.number for part in received} & set(missing)
    assert (missing == []) == (len(received) == len(lengths))
    if 1 in signed_lengths or cut == 10 * MIB or not signed_lengths:
        expected = lengths if signed_lengths else range(1, suggested_count(size) + 1)
        assert {part.number for part in received} | set(missing) == set(expected)


def test_without_a_list_all_that_s3_holds_is_assembled() -> None:
    assert parts_to_assemble(FILE, {}, held(p1=10, p2=10, p3=5), None) == ((1, "etag1"), (2, "etag2"), (3, "etag3"))


def test_the_clients_list_may_come_in_any_order_and_leave_parts_out() -> None:
    client = [NamedPart(3, "etag3"), NamedPart(1, "etag1")]
    assert parts_to_assemble(15 * MIB, {}, held(p1=10, p2=10, p3=5), client) == ((1, "etag1"), (3, "etag3"))


@pytest.mark.parametrize(
    ("received", "client", "told"),
    [
        ({}, None, "Parts 1, 2 and 3 are missing: 0 of 26,214,400 bytes are there."),
        ({"p1": 10, "p3": 5}, None, "Part 2 is missing: 15,728,640 of 26,214,400 bytes are there."),
        ({"p1": 10, "p2": 10, "p3": 5}, [1, 2], "Part 3 is missing: 20,971,520 of 26,214,400 bytes are there."),
        ({"p1": 10, "p3": 5}, [1, 2, 3], "Part 2 did not arrive."),
        ({"p1": 10}, [1, 4, 5], "Parts 4 and 5 did not arrive."),
    ],
)
def test_missing_parts_are_named(received: dict[str, int], client: list[int] | None, told: str) -> None:
    named = None if client is None else [NamedPart(number, f"etag{number}") for number in client]
    signed = {1: 10 * MIB, 2: 10 * MIB, 3: 5 * MIB}
    with pytest.raises(PartsMissing) as raised:
        parts_to_assemble(FILE, signed, held(**received), named)
    assert str(raised.value) == told


def test_a_wrong_etag_is_named() -> None:
    client = [NamedPart(1, "etag1"), NamedPart(2, "other"), NamedPart(3, "etag3")]
    with pytest.raises(PartMismatch) as raised:
        parts_to_assemble(FILE, {}, held(p1=10, p2=10, p3=5), client)
    assert str(raised.value) == "The ETag of part 2 is not the one that S3 answered."


def test_more_bytes_than_declared_are_refused_with_both_numbers() -> None:
    with pytest.raises(PartMismatch) as raised:
        parts_to_assemble(FILE, {}, held(p1=10, p2=10, p3=6), None)
    assert str(raised.value) == "Parts 1, 2 and 3 add up to 27,262,976 bytes; declared were 26,214,400 bytes."


def test_a_small_part_before_the_last_is_named_with_its_size() -> None:
    with pytest.raises(PartTooSmall) as raised:
        parts_to_assemble(FILE, {}, held(p1=10, p2=4, p3=11), None)
    told = "All parts but the last have at least 5,242,880 bytes (5 MiB): part 2 has 4,194,304 bytes."
    assert str(raised.value) == told


def test_of_a_part_that_was_sent_again_the_client_chooses_by_etag_and_else_the_last_counts() -> None:
    twice = [Part(1, 5 * MIB, "first"), Part(1, 5 * MIB, "second")]
    assert [part.etag for part in present(twice, {})] == ["second"]
    assert parts_to_assemble(5 * MIB, {}, twice, None) == ((1, "second"),)
    assert parts_to_assemble(5 * MIB, {}, twice, [NamedPart(1, "first")]) == ((1, "first"),)


def test_of_a_part_that_was_sent_again_the_signed_length_counts_whatever_the_order() -> None:
    short, long = Part(1, 5, "short"), Part(1, 9, "long")
    for listed in ([short, long], [long, short]):
        assert [part.etag for part in present(listed, {1: 9})] == ["long"]
    assert [part.etag for part in present([long, short], {1: 7})] == ["short"]


def test_a_part_named_twice_is_refused() -> None:
    with pytest.raises(InvalidArgument) as raised:
        parts_to_assemble(FILE, {}, held(p1=10), [NamedPart(1, "etag1"), NamedPart(1, "etag1")])
    assert raised.value.fields == (FieldViolation("parts[1].part_number", "names part 1 a second time"),)


def test_parts_that_the_file_cannot_have_are_not_said_to_be_missing() -> None:
    client = [NamedPart(number, "etag") for number in (1, 30, 0, 1)]
    with pytest.raises(InvalidArgument) as raised:
        parts_to_assemble(12_000_000, {}, held(p1=5), client)
    assert [(violation.field, violation.message) for violation in raised.value.fields] == [
        ("parts[1].part_number", "must be 1 to 3 for a file of 12,000,000 bytes, is 30"),
        ("parts[2].part_number", "must be 1 to 3 for a file of 12,000,000 bytes, is 0"),
        ("parts[3].part_number", "names part 1 a second time"),
    ]


@pytest.mark.parametrize("length", [1, 999, 1000])
def test_the_only_part_of_a_file_has_its_size(length: int) -> None:
    rule = f"must be 1,000 bytes, the size of the file, in its only part; is {length:,} bytes"
    wrong = [] if length == 1000 else [FieldViolation("content_length", rule)]
    assert signable(PartToSign(1, length, None), size=1000) == wrong


@pytest.mark.parametrize(
    ("signed", "told", "named"),
    [
        ({1: "a", 2: "b"}, {1: "a", 2: "b"}, None),
        ({1: "a", 2: "b"}, {}, None),
        ({1: "a", 2: "b"}, {1: "a", 2: "other"}, "part 2"),
        ({1: "a", 2: "b"}, {1: "b", 2: "a"}, "parts 1 and 2"),
        ({1: "a"}, {1: "a", 2: "b"}, "part 2"),
        ({1: "a"}, {}, "part 2"),
    ],
    ids=["as signed", "S3 tells none", "one other", "exchanged", "signed without, S3 tells one", "signed without"],
)
@pytest.mark.parametrize("client", [None, [NamedPart(1, "etag1"), NamedPart(2, "etag2")]], ids=["S3's", "the client's"])
def test_a_part_with_another_checksum_than_signed_last_is_named(
    signed: dict[int, str], told: dict[int, str], named: str | None, client: list[NamedPart] | None
) -> None:
    received = [Part(number, 10 * MIB, f"etag{number}", told.get(number)) for number in (1, 2)]
    if named is None:
        assert parts_to_assemble(20 * MIB, {}, received, client, signed) == ((1, "etag1"), (2, "etag2"))
        return
    with pytest.raises(PartMismatch) as raised:
        parts_to_assemble(20 * MIB, {}, received, client, signed)
    assert str(raised.value) == f"The SHA-256 of {named} is not the one that was signed last."
