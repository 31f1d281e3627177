"""Secrets of endpoints as they are stored: AES-256-GCM by a key that the database does not know."""

import secrets
from uuid import UUID

from cryptography.hazmat.primitives.ciphers.aead import AESGCM

KEY_BYTES = 32
NONCE_BYTES = 12


class Seals:
    """Encrypts secrets and decrypts them; each is bound to its endpoint, so that one can't stand in for another's."""

    def __init__(self, key: bytes) -> None:
        """A key of 32 bytes."""
        self._cipher = AESGCM(key)

    def seal(self, webhook_id: UUID, secret: bytes) -> bytes:
        nonce = secrets.token_bytes(NONCE_BYTES)
        return nonce + self._cipher.encrypt(nonce, secret, webhook_id.bytes)

    def unseal(self, webhook_id: UUID, sealed: bytes) -> bytes:
        """Raises InvalidTag for what was sealed with another key or for another endpoint."""
        return self._cipher.decrypt(sealed[:NONCE_BYTES], sealed[NONCE_BYTES:], webhook_id.bytes)
