"""Requests out, responses back: what is sent, over which library, and when it is sent again."""
