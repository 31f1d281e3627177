"""Addresses that strangers gave us to call: none of them leads into a network of ours.

A URL is checked when it is registered, and again whenever a connection is made to it: then its name is resolved once,
every address it has is looked at, and the connection goes to one of those very addresses. A name that meant a public
address yesterday, or a moment ago, opens nothing inside.

    target = await check_url(url, rules, resolve)          # raises AddressRefused, NotResolved
    async with open_client(rules, resolve) as client:      # raises the same where it connects
        await client.post(url, …)
"""

import asyncio
import re
import socket
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from http.cookiejar import CookieJar, DefaultCookiePolicy
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address
from typing import Any, TypeAlias

import httpcore
import httpx
import pycares
from aiodns import DNSResolver
from aiodns.error import DNSError

from chassis.errors import FieldViolation, InvalidArgument

MAX_URL_LENGTH = 2_048
CONNECT_SECONDS = 5.0
ADDRESSES_TRIED = 4
QUERY_SECONDS, QUERIES = 1.5, 2
"""How long a name server is waited for, twice as long when it is asked again, and how often it is asked."""
KEEP_CONNECTIONS_SECONDS = 5.0

Address: TypeAlias = IPv4Address | IPv6Address
Network: TypeAlias = IPv4Network | IPv6Network
Resolve: TypeAlias = Callable[[str], Awaitable[Sequence[Address]]]
"""`await resolve(name)`: all addresses of an ASCII name. Raises OSError where it has none or nobody answers."""

_LABEL = re.compile(r"(?!-)[a-z0-9_-]{1,63}(?<!-)")
_NUMBER = re.compile(r"[0-9]+|0x[0-9a-f]*")
_NAT64 = IPv6Network("64:ff9b::/96")
_GLOBAL_UNICAST = IPv6Network("2000::/3")
_METADATA = frozenset({IPv4Address("169.254.169.254"), IPv4Address("168.63.129.16"), IPv6Address("fd00:ec2::254")})
"""Where clouds tell instances their secrets; one of them is an address like any other."""


_NOT_PUBLIC = (IPv4Network("192.0.0.0/24"), IPv6Network("3fff::/20"))
"""Reserved, whatever the standard library of the day says: of the first Oracle's cloud has its metadata at 192.0.0.192,
the second is for documentation."""
_NO_PUBLIC_ADDRESS = "must have a host that the DNS knows, with public addresses alone: none private, local or reserved"


class AddressRefused(Exception):
    """What we do not call. Its text is the end of a sentence that begins with the field's name, and tells neither what
    a name was resolved to nor whether it was: which names are known inside is nobody's business."""


class NotResolved(AddressRefused):
    """The name has no address at the moment."""


@dataclass(frozen=True, slots=True)
class Rules:
    """What may be called beside public addresses over HTTPS: HTTP too, and the addresses of these networks."""

    allow_http: bool = False
    allowed_networks: Sequence[Network] = ()


@dataclass(frozen=True, slots=True)
class Target:
    """Where a URL leads: the host as an ASCII name in lower case or as an address without brackets, and the port."""

    host: str
    port: int


def parse_url(url: str, rules: Rules) -> Target:
    """Where the URL leads, of which nothing was resolved yet. Raises AddressRefused."""
    if not 1 <= len(url) <= MAX_URL_LENGTH:
        raise AddressRefused(f"must be 1 to {MAX_URL_LENGTH:,} characters long, is {len(url):,} characters long")
    try:
        parsed = httpx.URL(url)
    except (httpx.InvalidURL, UnicodeError) as error:
        raise AddressRefused("must be a URL like https://example.com/hooks") from error
    schemes = ("https", "http") if rules.allow_http else ("https",)
    if parsed.scheme not in schemes:
        raise AddressRefused(f"must begin with {' or '.join(f'{scheme}://' for scheme in schemes)}")
    if parsed.userinfo:
        raise AddressRefused("must not hold a user name or a password")
    port = (443 if parsed.scheme == "https" else 80) if parsed.port is None else parsed.port
    if not 1 <= port <= 65_535:
        raise AddressRefused(f"must have a port from 1 to 65,535, has {port:,}")
    host = parsed.raw_host.decode("ascii").lower()
    _check_host(host)
    return Target(host, port)


async def check_url(url: str, rules: Rules, resolve: Resolve) -> Target:
    """Where the URL leads, after all its addresses were looked at. Raises AddressRefused, NotResolved."""
    target = parse_url(url, rules)
    await checked_addresses(target.host, rules, resolve)
    return target


def host_of_field(field: str, rules: Rules, resolve: Resolve) -> Callable[[str], Coroutine[Any, Any, str]]:
    """Of the URL that a request's field holds: the host, as the URL writes it, with the port if it is not 443. What
    it gives raises InvalidArgument, which names the field, for a URL that may not be called."""

    async def host_of(url: str) -> str:
        try:
            target = await check_url(url, rules, resolve)
        except AddressRefused as error:
            raise InvalidArgument(fields=[FieldViolation(field, str(error))]) from error
        host = f"[{target.host}]" if ":" in target.host else target.host
        return host if target.port == 443 else f"{host}:{target.port}"

    return host_of


async def checked_addresses(host: str, rules: Rules, resolve: Resolve) -> Sequence[Address]:
    """All addresses of a host, each of which may be called. Raises AddressRefused where one may not, and NotResolved
    where there is none within 5 s."""
    _check_host(host)
    literal = _literal(host)
    try:
        async with asyncio.timeout(CONNECT_SECONDS):
            addresses = [literal] if literal else await resolve(host)
    except (OSError, UnicodeError) as error:
        raise NotResolved(_NO_PUBLIC_ADDRESS) from error
    if not addresses:
        raise NotResolved(_NO_PUBLIC_ADDRESS)
    if not all(is_allowed(address, rules) for address in addresses):
        raise AddressRefused(_NO_PUBLIC_ADDRESS)
    return addresses


def is_allowed(address: Address, rules: Rules) -> bool:
    """Whether an address is public, or in a network that is allowed.

    An IPv6 address that stands for an IPv4 one (mapped, 6to4, NAT64, Teredo) is what the IPv4 one is.
    """
    return any(address in network for network in rules.allowed_networks) or _is_public(address)


@asynccontextmanager
async def open_resolver(name_servers: Sequence[str] = ()) -> AsyncIterator[Resolve]:
    """Asks the name servers (`address` or `address:port`), those of the system where none is given, after /etc/hosts;
    names are asked for as they are, without the system's search domains.

    No look-up waits for another, however many servers of strangers never answer: each ends by itself within some
    seconds and holds nothing but its question, where the system's `getaddrinfo` would hold a thread.
    """
    resolver = DNSResolver(
        list(name_servers), timeout=QUERY_SECONDS, tries=QUERIES, flags=pycares.ARES_FLAG_NOSEARCH, lookups="fb"
    )

    async def resolve(name: str) -> Sequence[Address]:
        try:
            found = await resolver.getaddrinfo(name, type=socket.SOCK_STREAM)
        except DNSError as error:
            raise OSError(f"the DNS gave no address: {error.args[0]}") from error
        return list(dict.fromkeys(ip_address(node.addr[0].decode()) for node in found.nodes))

    async with resolver:
        yield resolve


def open_transport(
    rules: Rules, resolve: Resolve, *, connections: int = 100, tls: ssl.SSLContext | None = None
) -> httpx.AsyncHTTPTransport:
    """Sends single requests, every connection of which leads to an address that was checked for it; the name stays in
    SNI and Host.

    Follows no redirect, asks no proxy, knows no cookie, and keeps connections for 5 s, because an answer of the DNS is
    trusted no longer. Raises AddressRefused and NotResolved beside httpx's own. A request brings its deadlines.
    """
    trusted = tls or httpx.create_ssl_context(trust_env=False)
    transport = httpx.AsyncHTTPTransport(verify=trusted, trust_env=False)
    # httpx has no parameter for the network below its pool.
    transport._pool = httpcore.AsyncConnectionPool(
        ssl_context=trusted,
        max_connections=connections,
        max_keepalive_connections=connections,
        keepalive_expiry=KEEP_CONNECTIONS_SECONDS,
        network_backend=CheckedNetwork(rules, resolve),
    )
    return transport


def open_client(
    rules: Rules, resolve: Resolve, *, connections: int = 100, tls: ssl.SSLContext | None = None
) -> httpx.AsyncClient:
    """A client on such a transport, which takes no cookie: the next user's call to that host would carry it. Deadlines
    are 5 s to connect and 15 s for each read; who calls sets one for all."""
    return httpx.AsyncClient(
        transport=open_transport(rules, resolve, connections=connections, tls=tls),
        cookies=CookieJar(DefaultCookiePolicy(allowed_domains=[])),
        timeout=httpx.Timeout(15.0, connect=CONNECT_SECONDS),
        trust_env=False,
        follow_redirects=False,
        event_hooks={"response": [_forget_redirect]},
    )


class CheckedNetwork(httpcore.AsyncNetworkBackend):
    """Connects to no address but those it has just checked."""

    def __init__(self, rules: Rules, resolve: Resolve) -> None:
        self._rules = rules
        self._resolve = resolve
        self._network = httpcore.AnyIOBackend()

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        addresses = (await checked_addresses(host.lower(), self._rules, self._resolve))[:ADDRESSES_TRIED]
        *others, last = addresses
        share = (CONNECT_SECONDS if timeout is None else timeout) / len(addresses)
        for address in others:
            try:
                return await self._network.connect_tcp(str(address), port, share, local_address, socket_options)
            except (httpcore.ConnectError, httpcore.ConnectTimeout):
                continue
        return await self._network.connect_tcp(str(last), port, share, local_address, socket_options)


async def _forget_redirect(response: httpx.Response) -> None:
    """httpx prepares the next request also where none is made, and raises when the place that is named is no URL."""
    if response.has_redirect_location:
        del response.headers["location"]


def _check_host(host: str) -> None:
    """Raises AddressRefused for what is neither a name nor an address as everybody writes it: what some programs read
    as an address and others do not (2130706433, 0177.0.0.1, 0x7f.1), and names with a dot at the end."""
    if _literal(host) is not None:
        return
    if host.endswith("."):
        raise AddressRefused("must have a host without a dot at its end")
    labels = host.split(".")
    if _NUMBER.fullmatch(labels[-1]):
        raise AddressRefused("must name an IPv4 address as four decimal numbers, like 192.0.2.1")
    if len(host) > 253 or not all(_LABEL.fullmatch(label) for label in labels):
        raise AddressRefused("must have a host like example.com")


def _literal(host: str) -> Address | None:
    try:
        return ip_address(host)
    except ValueError:
        return None


def _is_public(address: Address) -> bool:
    if any(address in network for network in _NOT_PUBLIC):
        return False
    if isinstance(address, IPv4Address):
        return address.is_global and not address.is_multicast and address not in _METADATA
    within = [address.ipv4_mapped, address.sixtofour, *(address.teredo or ())]
    if address in _NAT64:
        within.append(IPv4Address(int(address) & 0xFFFF_FFFF))
    embedded = [inner for inner in within if inner is not None]
    if embedded:
        return all(map(_is_public, embedded))
    return address in _GLOBAL_UNICAST and address.is_global
