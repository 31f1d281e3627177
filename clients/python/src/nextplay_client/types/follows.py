"""What `/openapi.json` says of follows: made by generate/make_types.py, not by hand."""

from typing import TypedDict


class Follow(TypedDict):
    """One end of a follow."""

    # The user at the other end (UUID).
    user_id: str
    # When the follow began.
    followed_at: str


class FollowerPage(TypedDict):
    """A page of followers."""

    # The followers, latest first.
    followers: list[Follow]
    # Token of the next page; empty on the last one.
    next_page_token: str


class FollowingPage(TypedDict):
    """A page of followed users."""

    # The followed users, latest first.
    following: list[Follow]
    # Token of the next page; empty on the last one.
    next_page_token: str
