"""Follows between messages and read models."""

from collections.abc import Sequence

from chassis.auth import User
from chassis.paging import AskedPage, Position, asked_page
from nextplay.catalog.v1.follows_service_pb2 import (
    Follow,
    ListFollowersRequest,
    ListFollowersResponse,
    ListFollowingRequest,
    ListFollowingResponse,
)
from services.catalog.reads import follows
from services.catalog.usecases.events import timestamp


def followers_asked(request: ListFollowersRequest, caller: User | None, key: bytes) -> AskedPage:
    """The page for a user or for a service (None). Raises InvalidArgument."""
    asker = f" for {caller.user_id}" if caller else ""
    return asked_page(request, key=key, query=f"followers {request.user_id}{asker}")


def following_asked(request: ListFollowingRequest, caller: User, key: bytes) -> AskedPage:
    """Raises InvalidArgument."""
    return asked_page(request, key=key, query=f"following {request.user_id} for {caller.user_id}")


def followers_page(asked: AskedPage, rows: Sequence[follows.Follow]) -> ListFollowersResponse:
    page, token = asked.cut(rows, _position)
    return ListFollowersResponse(followers=map(_follow, page), next_page_token=token)


def following_page(asked: AskedPage, rows: Sequence[follows.Follow]) -> ListFollowingResponse:
    page, token = asked.cut(rows, _position)
    return ListFollowingResponse(following=map(_follow, page), next_page_token=token)


def _position(row: follows.Follow) -> Position:
    return Position(row.followed_at, row.user_id)


def _follow(row: follows.Follow) -> Follow:
    return Follow(user_id=str(row.user_id), followed_at=timestamp(row.followed_at))
