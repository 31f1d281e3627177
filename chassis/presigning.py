"""Presigned S3 URLs: AWS signature version 4 in the query, made without a request."""

from collections.abc import Mapping
from datetime import UTC, datetime

from botocore.auth import SIGV4_TIMESTAMP, S3SigV4QueryAuth
from botocore.awsrequest import AWSRequest
from botocore.credentials import ReadOnlyCredentials


def presign(
    credentials: ReadOnlyCredentials,
    region: str,
    method: str,
    url: str,
    expires_seconds: int,
    signed_at: datetime,
    headers: Mapping[str, str],
) -> str:
    """`url` with a signature that holds from `signed_at` for `expires_seconds` (at most 7 days).

    Every header given here is signed: S3 refuses a request that does not send it with this value. Equal arguments give
    equal URLs.
    """
    request = AWSRequest(method=method, url=url, headers=dict(headers))
    request.context["timestamp"] = signed_at.astimezone(UTC).strftime(SIGV4_TIMESTAMP)
    _FixedTime(credentials, "s3", region, expires=expires_seconds).sign(request)
    return str(request.url)


class _FixedTime(S3SigV4QueryAuth):
    """botocore's own `add_auth` takes the present time; this is its remainder."""

    def sign(self, request: AWSRequest) -> None:
        self._modify_request_before_signing(request)  # type: ignore[attr-defined]
        signature = self.signature(self.string_to_sign(request, self.canonical_request(request)), request)
        self._inject_signature_to_request(request, signature)  # type: ignore[attr-defined]
