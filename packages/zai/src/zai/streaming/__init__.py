"""A streamed answer: bytes → chunks → events, how long it may take, and how it goes on after a drop."""
