"""A process that counts in a document, in competition with others; see documents/test_documents.py.

A step reads the count, adds one, and begins again if another process has written meanwhile.
"""

import asyncio
import sys

from headrace.documents import open_documents
from headrace.turns import TurnSettings

__all__ = ["STEPS"]

STEPS = 40


async def main(address):
    documents = open_documents(TurnSettings(store=address), "limits")
    latest = 0.0
    for _ in range(STEPS):
        has_written = False
        while not has_written:
            version, values, now = await documents.read(["count"])
            assert now >= latest
            latest = now
            count = int(values.get("count", b"0")) + 1
            has_written = await documents.write(version, {"count": b"%d" % count})
    await documents.close()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1]))
