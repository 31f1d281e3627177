"""How webhooks are signed and sent."""
