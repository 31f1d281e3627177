"""What the `(nextplay.api.v1.rpc)` option of a method asks for: who may call, and how the call may fail."""

from dataclasses import dataclass

from google.api import annotations_pb2
from google.protobuf.descriptor import MethodDescriptor

from chassis.auth import Caller, Verifier
from chassis.errors import Kind, PermissionDenied, Unauthenticated
from nextplay.api.v1 import options_pb2

ALWAYS = {Kind.INVALID_ARGUMENT, Kind.UNAUTHENTICATED, Kind.INTERNAL, Kind.UNAVAILABLE, Kind.DEADLINE_EXCEEDED}


@dataclass(frozen=True)
class Policy:
    """The option: `access` is one of `options_pb2.Access`, `fails` has also what is possible without being declared.
    `reads` says whether it is a GET in HTTP, which changes nothing."""

    method: str
    access: int
    callers: frozenset[str]
    fails: frozenset[Kind]
    reads: bool


def policy_of(method: MethodDescriptor) -> Policy:
    """The policy of a method. Raises `ValueError` if its option is missing or incomplete."""
    option = method.GetOptions().Extensions[options_pb2.rpc]
    if option.access == options_pb2.ACCESS_UNSPECIFIED:
        raise ValueError(f"{method.full_name} has no option (nextplay.api.v1.rpc) that says who may call it")
    if option.access == options_pb2.SERVICE and not option.callers:
        raise ValueError(f"{method.full_name} is for services, but its option names no callers")
    fails = {Kind[options_pb2.ErrorKind.Name(kind)] for kind in option.fails} | ALWAYS
    fails |= {Kind.PERMISSION_DENIED} if option.callers else set()
    reads = bool(method.GetOptions().Extensions[annotations_pb2.http].get)  # type: ignore[index]
    return Policy(method.full_name, option.access, frozenset(option.callers), frozenset(fails), reads)


async def identify(authorization: str | None, policy: Policy, verifier: Verifier) -> Caller | None:
    """The caller named by an Authorization header and allowed by the policy; None for nobody, where that is allowed.

    A token that is not valid is refused also where none is needed. Raises `Unauthenticated`, `PermissionDenied`,
    `Unavailable`.
    """
    if authorization is None and policy.access == options_pb2.ANYONE:
        return None
    scheme, _, token = (authorization or "").partition(" ")
    if scheme.lower() != "bearer" or not token:
        raise Unauthenticated("The request has no Authorization header of the form `Bearer <token>`.")
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
