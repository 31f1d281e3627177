"""The followers of an author, from the catalog."""

from uuid import UUID

import grpc

from chassis.errors import Kind
from chassis.grpc_errors import failure_from, peer_failure_from
from nextplay.catalog.v1.follows_service_pb2 import ListFollowersRequest
from nextplay.catalog.v1.follows_service_pb2_grpc import FollowServiceStub
from services.notify.ports.fanouts import FollowersPage, ListFollowers, PageTokenRefused

PAGE_SIZE = 1_000


def followers_in_catalog(channel: grpc.aio.Channel) -> ListFollowers:
    """Implements `ports.ListFollowers`; the channel carries the deadline, the retries and our service token."""
    catalog = FollowServiceStub(channel)

    async def list_followers(author_id: UUID, page_token: str) -> FollowersPage:
        request = ListFollowersRequest(user_id=str(author_id), page_size=PAGE_SIZE, page_token=page_token)
        try:
            reply = await catalog.ListFollowers(request)
        except grpc.aio.AioRpcError as error:
            if page_token and failure_from(error).kind is Kind.INVALID_ARGUMENT:
                raise PageTokenRefused from error
            raise peer_failure_from(error) from error
        return FollowersPage([UUID(follow.user_id) for follow in reply.followers], reply.next_page_token)

    return list_followers
