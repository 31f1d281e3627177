"""What the `(nextplay.api.v1.rpc)` option of a method asks for: who may call, and how the call may fail."""

from dataclasses import dataclass

from google.protobuf.descriptor import MethodDescriptor

from chassis.auth import Caller, Verifier
from chassis.errors import Kind, PermissionDenied, Unauthenticated
from nextplay.api.v1 import options_pb2

ALWAYS_POSSIBLE = frozenset(
    {Kind.INVALID_ARGUMENT, Kind.UNAUTHENTICATED, Kind.INTERNAL, Kind.UNAVAILABLE, Kind.DEADLINE_EXCEEDED}
)
"""What every method may fail with without declaring it."""


@dataclass(frozen=True)
class Policy:
    """The option, read: `access` is a value of `options_pb2.Access`, `fails` includes what is always possible."""

    access: int
    callers: frozenset[str]
    fails: frozenset[Kind]


def policy_of(method: MethodDescriptor) -> Policy:
    """The policy of a method. Raises `ValueError` if its option is missing or incomplete."""
    option = method.GetOptions().Extensions[options_pb2.rpc]
    if option.access == options_pb2.ACCESS_UNSPECIFIED:
        raise ValueError(f"{method.full_name} has no option (nextplay.api.v1.rpc) that says who may call it")
    if option.access == options_pb2.SERVICE and not option.callers:
        raise ValueError(f"{method.full_name} is for services, but its option names no callers")
    refused = {Kind.PERMISSION_DENIED} if option.callers else set()
    declared = {Kind[options_pb2.ErrorKind.Name(kind)] for kind in option.fails}
    return Policy(option.access, frozenset(option.callers), ALWAYS_POSSIBLE | refused | declared)


async def identify(authorization: str | None, policy: Policy, verifier: Verifier) -> Caller | None:
    """The caller named by an Authorization header, allowed by the policy; None for an anonymous one where that is.

    A token that is not valid is refused everywhere, also where none is needed. Raises `Unauthenticated`,
    `PermissionDenied`, `Unavailable`.
    """
    if authorization is None:
        if policy.access == options_pb2.ANYONE:
            return None
        raise Unauthenticated("The request has no token.")
    scheme, _, token = authorization.partition(" ")
    if scheme.lower() != "bearer" or not token:
        raise Unauthenticated("The Authorization header is not `Bearer` and a token.")
    if policy.access != options_pb2.SERVICE:
        try:
            return await verifier.user(token)
        except Unauthenticated:
            if not policy.callers:
                raise
    caller = await verifier.service(token)
    if caller.name not in policy.callers:
        raise PermissionDenied(f"The service {caller.name} may not call this method.")
    return caller
