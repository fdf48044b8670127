"""What an attacker would try; docs/reference/security.md says which test covers what."""
