"""What may be called of the addresses that strangers gave us."""

import asyncio
from collections.abc import Sequence
from ipaddress import ip_address, ip_network

import httpx
import pytest

from services.notify.addresses import (
    Address,
    AddressRefused,
    NotResolved,
    Resolve,
    Rules,
    check_url,
    host_of_field,
    is_allowed,
    open_client,
    open_resolver,
    parse_url,
)

PUBLIC = Rules()
LOCAL = Rules(allow_http=True, allowed_networks=[ip_network("127.0.0.0/8")])


def resolving(*answers: Sequence[str]) -> Resolve:
    """Gives one answer after the other, the last one for ever."""
    left = list(answers)

    async def resolve(name: str) -> Sequence[Address]:
        return [ip_address(one) for one in (left.pop(0) if len(left) > 1 else left[0])]

    return resolve


@pytest.mark.parametrize(
    "url",
    [
        "https://example.com/hooks?a=b",
        "https://example.com:8443",
        "https://bücher.example",
        "https://8.8.8.8/",
        "https://[2606:4700::1111]/",
    ],
)
async def test_a_public_address_over_https_is_taken(url: str) -> None:
    await check_url(url, PUBLIC, resolving(["93.184.216.34", "2606:2800:220:1::1"]))


@pytest.mark.parametrize(
    ("url", "host"),
    [
        ("https://Example.com/hooks", "example.com"),
        ("https://example.com:8443/", "example.com:8443"),
        ("https://[2606:4700::1111]/", "[2606:4700::1111]"),
        ("https://[2606:4700::1111]:80/", "[2606:4700::1111]:80"),
    ],
)
async def test_hosts_are_told_apart_with_their_ports(url: str, host: str) -> None:
    assert await host_of_field("url", PUBLIC, resolving(["93.184.216.34"]))(url) == host


def test_a_name_is_compared_as_the_dns_writes_it() -> None:
    assert parse_url("https://BÜCHER.example/", PUBLIC).host == "xn--bcher-kva.example"


@pytest.mark.parametrize(
    ("url", "told"),
    [
        ("http://example.com", "must begin with https://"),
        ("ftp://example.com", "must begin with https://"),
        ("//example.com", "must begin with https://"),
        ("example.com", "must begin with https://"),
        (" https://example.com", "must begin with https://"),
        ("https://user:secret@example.com", "must not hold a user name or a password"),
        ("https://user@example.com", "must not hold a user name or a password"),
        ("https://example.com\\@evil.example", "must not hold a user name or a password"),
        ("https://example.com.", "must have a host without a dot at its end"),
        ("https://127.0.0.1.", "must have a host without a dot at its end"),
        ("https://2130706433", "must name an IPv4 address as four decimal numbers, like 192.0.2.1"),
        ("https://0x7f.1", "must name an IPv4 address as four decimal numbers, like 192.0.2.1"),
        ("https://0x7f000001", "must name an IPv4 address as four decimal numbers, like 192.0.2.1"),
        ("https://127.1", "must name an IPv4 address as four decimal numbers, like 192.0.2.1"),
        ("https://0177.0.0.1", "must be a URL like https://example.com/hooks"),
        ("https://[::1", "must be a URL like https://example.com/hooks"),
        ("https://exam\nple.com", "must be a URL like https://example.com/hooks"),
        ("https://", "must have a host like example.com"),
        ("https://a b.example", "must have a host like example.com"),
        ("https://a..example", "must have a host like example.com"),
        ("https://ex%61mple.com", "must have a host like example.com"),
        ("https://example.com:0", "must have a port from 1 to 65,535, has 0"),
        ("https://example.com:65536", "must have a port from 1 to 65,535, has 65,536"),
        ("", "must be 1 to 2,048 characters long, is 0 characters long"),
        (
            "https://example.com/" + "a" * 2_029,
            "must be 1 to 2,048 characters long, is 2,049 characters long",
        ),
    ],
)
async def test_a_url_that_is_none_of_ours_to_call_says_why(url: str, told: str) -> None:
    with pytest.raises(AddressRefused) as refused:
        await check_url(url, PUBLIC, resolving(["93.184.216.34"]))
    assert str(refused.value) == told


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1",
        "10.1.2.3",
        "172.16.0.1",
        "192.168.1.1",
        "169.254.169.254",
        "168.63.129.16",
        "100.64.0.1",
        "0.0.0.0",  # noqa: S104
        "224.0.0.251",
        "239.1.1.1",
        "240.0.0.1",
        "255.255.255.255",
        "192.0.0.192",
        "192.0.0.9",
        "192.0.2.1",
        "198.18.0.1",
        "::",
        "::1",
        "::127.0.0.1",
        "fe80::1",
        "fc00::1",
        "fd00:ec2::254",
        "ff02::1",
        "2001:db8::1",
        "3fff:fff::1",
        "::ffff:127.0.0.1",
        "::ffff:10.0.0.1",
        "64:ff9b::10.0.0.1",
        "64:ff9b:1::10.0.0.1",
        "2002:a00:1::",
        "2001:0:a00:1::1",
        "2001:0:808:808::f5ff:fffe",
    ],
)
async def test_an_address_inside_is_refused_as_a_host_and_as_the_answer_of_the_dns(address: str) -> None:
    assert not is_allowed(ip_address(address), PUBLIC)
    host = f"[{address}]" if ":" in address else address
    with pytest.raises(AddressRefused):
        await check_url(f"https://{host}/", PUBLIC, resolving(["93.184.216.34"]))
    with pytest.raises(AddressRefused) as refused:
        await check_url("https://example.com/", PUBLIC, resolving(["93.184.216.34", address]))
    assert address not in str(refused.value)


@pytest.mark.parametrize("address", ["::ffff:8.8.8.8", "64:ff9b::8.8.8.8", "2002:808:808::"])
def test_an_ipv6_address_is_what_the_public_ipv4_address_in_it_is(address: str) -> None:
    assert is_allowed(ip_address(address), PUBLIC)


async def test_the_system_s_own_names_are_refused() -> None:
    async with open_resolver() as resolve:
        with pytest.raises(AddressRefused):
            await check_url("https://localhost/", PUBLIC, resolve)


async def test_who_asks_learns_not_whether_a_name_inside_exists() -> None:
    sentences = set()
    for addresses in (["10.0.0.1"], []):
        with pytest.raises(AddressRefused) as refused:
            await check_url("https://vault.internal.example/", PUBLIC, resolving(addresses))
        sentences.add(str(refused.value))
    assert len(sentences) == 1


async def test_a_name_without_an_address_is_told_apart() -> None:
    async def nobody(name: str) -> Sequence[Address]:
        raise OSError

    with pytest.raises(NotResolved):
        await check_url("https://example.com/", PUBLIC, nobody)
    with pytest.raises(NotResolved):
        await check_url("https://example.com/", PUBLIC, resolving([]))


async def test_http_and_a_network_are_taken_where_the_rules_name_them() -> None:
    await check_url("http://localhost:8080/", LOCAL, resolving(["127.0.0.1"]))
    with pytest.raises(AddressRefused):
        await check_url("http://localhost:8080/", LOCAL, resolving(["127.0.0.1", "10.0.0.1"]))


async def test_a_name_that_changes_after_the_check_opens_nothing_inside() -> None:
    connected = asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connected.set()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        url = f"http://rebinding.example:{server.sockets[0].getsockname()[1]}/"
        resolve = resolving(["93.184.216.34"], ["127.0.0.1"])
        rules = Rules(allow_http=True)
        await check_url(url, rules, resolve)
        async with open_client(rules, resolve) as client:
            with pytest.raises(AddressRefused):
                await client.post(url)
    assert not connected.is_set()


async def test_a_connection_goes_to_the_address_that_was_checked_and_tells_the_name() -> None:
    asked: list[str] = []
    heard: list[bytes] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        heard.append(await reader.readuntil(b"\r\n\r\n"))
        writer.write(b"HTTP/1.1 204 No Content\r\n\r\n")
        await writer.drain()
        writer.close()

    async def resolve(name: str) -> Sequence[Address]:
        asked.append(name)
        # Nobody listens at the first one.
        return [ip_address("127.0.0.2"), ip_address("127.0.0.1")]

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server, open_client(LOCAL, resolve) as client:
        reply = await client.post(f"http://hooks.example:{server.sockets[0].getsockname()[1]}/")
    assert reply.status_code == httpx.codes.NO_CONTENT
    assert asked == ["hooks.example"]
    assert b"host: hooks.example" in heard[0].lower()
