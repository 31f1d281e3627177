"""Every sentence that users are told, in one place."""

from dataclasses import dataclass

UNKNOWN_REASON = ("Something went wrong while it was processed.", "Upload the clip again.")
"""Message and next action where the cause was not told."""


@dataclass(frozen=True, slots=True)
class Text:
    """Title and body, as a push shows them."""

    title: str
    body: str


def ready() -> Text:
    return Text("Video ready!", "Your video has been processed and is ready to publish.")


def failed(video_title: str, message: str, next_action: str) -> Text:
    return Text("Processing failed", f"“{video_title}” could not be processed. {message} {next_action}".strip())


def rejected(video_title: str, message: str, next_action: str) -> Text:
    return Text("Video rejected", f"“{video_title}” was not accepted. {message} {next_action}".strip())


def published(video_title: str) -> Text:
    return Text("New video", f"Someone you follow published “{video_title}”.")


def webhook_gone(url_host: str) -> Text:
    return Text(
        "Webhook switched off",
        f"Your webhook at {url_host} answered that it is gone (410) and gets no more events. "
        "If that is not so, mend the endpoint, then switch the webhook on again.",
    )


def webhook_failing(url_host: str) -> Text:
    return Text(
        "Webhook switched off",
        f"Your webhook at {url_host} has failed for too long and gets no more events. "
        "Mend the endpoint, then switch the webhook on again.",
    )
