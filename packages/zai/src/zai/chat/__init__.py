"""`client.chat`, for programs that block and for asyncio."""
