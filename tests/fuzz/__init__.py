"""Requests nobody would send on purpose."""
