"""`client.chat`."""
