"""Who follows whom."""

from dataclasses import dataclass, field
from typing import Any

from chassis.auth import current_user, optional_user
from chassis.postgres import Pool
from chassis.validation import parse_uuid
from nextplay.catalog.v1.follows_service_pb2 import (
    FollowUserRequest,
    FollowUserResponse,
    ListFollowersRequest,
    ListFollowersResponse,
    ListFollowingRequest,
    ListFollowingResponse,
    UnfollowUserRequest,
    UnfollowUserResponse,
)
from nextplay.catalog.v1.follows_service_pb2_grpc import FollowServiceServicer
from services.catalog.mapping import follows as mapping
from services.catalog.ports import Begin
from services.catalog.reads import follows as reads
from services.catalog.usecases import follows as usecases


@dataclass(frozen=True)
class Follows(FollowServiceServicer):
    """Follows users."""

    pool: Pool
    begin: Begin
    page_key: bytes = field(repr=False)

    async def FollowUser(self, request: FollowUserRequest, context: Any) -> FollowUserResponse:
        followed_id = parse_uuid("user_id", request.user_id)
        await usecases.follow_user(self.begin, current_user().user_id, followed_id)
        return FollowUserResponse()

    async def UnfollowUser(self, request: UnfollowUserRequest, context: Any) -> UnfollowUserResponse:
        followed_id = parse_uuid("user_id", request.user_id)
        await usecases.unfollow_user(self.begin, current_user().user_id, followed_id)
        return UnfollowUserResponse()

    async def ListFollowers(self, request: ListFollowersRequest, context: Any) -> ListFollowersResponse:
        user_id = parse_uuid("user_id", request.user_id)
        asked = mapping.followers_asked(request, optional_user(), self.page_key)
        rows = await reads.list_followers(self.pool, user_id, asked.after, asked.limit)
        return mapping.followers_page(asked, rows)

    async def ListFollowing(self, request: ListFollowingRequest, context: Any) -> ListFollowingResponse:
        user_id = parse_uuid("user_id", request.user_id)
        asked = mapping.following_asked(request, current_user(), self.page_key)
        rows = await reads.list_following(self.pool, user_id, asked.after, asked.limit)
        return mapping.following_page(asked, rows)
