"""How far an upload is."""

from collections.abc import Callable
from dataclasses import dataclass, field


@dataclass(frozen=True)
class UploadProgress:
    """How far an upload is: told when it is announced or found again, and after each piece that moved.

    `sent_bytes` are with S3 or on their way there, `resumed_bytes` of them were with S3 before this call began. A part
    that has to be sent again counts again, so `sent_bytes` may fall.
    """

    upload_id: str
    video_id: str
    sent_bytes: int
    total_bytes: int
    resumed_bytes: int = 0


OnProgress = Callable[[UploadProgress], None]


@dataclass
class Counter:
    """Adds up the bytes of all parts and tells them."""

    upload_id: str
    video_id: str
    total_bytes: int
    resumed_bytes: int
    on_progress: OnProgress | None
    sent: dict[int, int] = field(default_factory=dict)

    def moved(self, part_number: int, bytes_of_part: int) -> None:
        """So many bytes of a part are sent."""
        self.sent[part_number] = bytes_of_part
        self.tell()

    def tell(self) -> None:
        """Tell how far it is."""
        if self.on_progress:
            sent = self.resumed_bytes + sum(self.sent.values())
            told = UploadProgress(self.upload_id, self.video_id, sent, self.total_bytes, self.resumed_bytes)
            self.on_progress(told)
