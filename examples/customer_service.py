"""A customer-service bot with three tools on a SQLite database.

.venv/bin/python examples/customer_service.py "What is the status of order 1001?"

With a real model you would add: a login that determines the customer, instead of `CUSTOMER`, and a person
who confirms returns. The model never writes SQL: each tool runs one statement, for this customer only. The
embedded model calls tools, but does not always choose the right one.
"""

import os
import sqlite3
import sys

import zai

CUSTOMER = "ada@example.com"
SYSTEM = "You answer customers of a bookshop. Look things up with the tools; never invent an order."

database = sqlite3.connect(":memory:")
database.executescript(
    """
    CREATE TABLE orders (number INTEGER PRIMARY KEY, customer TEXT, item TEXT, status TEXT);
    CREATE TABLE returns (number INTEGER PRIMARY KEY, reason TEXT);
    INSERT INTO orders VALUES (1001, 'ada@example.com', 'The Art of Computer Programming', 'shipped'),
                              (1002, 'ada@example.com', 'A Brief History of Time', 'delivered'),
                              (1003, 'eve@example.com', 'Secrets and Lies', 'delivered');
    """
)


def list_orders() -> list[dict[str, object]]:
    """List the customer's orders."""
    rows = database.execute("SELECT number, item, status FROM orders WHERE customer = ?", [CUSTOMER])
    return [dict(zip(("number", "item", "status"), row, strict=True)) for row in rows]


def get_order(number: int) -> dict[str, object]:
    """Get the item and the status of an order.

    Args:
        number: the number of the order, for example 1001
    """
    found = [order for order in list_orders() if order["number"] == number]
    if not found:
        msg = f"this customer has no order {number}"
        raise LookupError(msg)  # the model gets the message
    return found[0]


def return_order(number: int, reason: str) -> str:
    """Register the return of a delivered order.

    Args:
        number: the number of the order
        reason: why the customer returns it, in a few words
    """
    if get_order(number)["status"] != "delivered":
        return f"order {number} has not been delivered yet"
    with database:
        database.execute("INSERT OR REPLACE INTO returns VALUES (?, ?)", [number, reason])
    return f"return of order {number} registered"


def main(question: str) -> None:
    client = zai.ZaiClient(
        api_key=os.environ.get("ZAI_API_KEY", "any"),
        base_url=os.environ.get("ZAI_BASE_URL", "http://127.0.0.1:8000/api/paas/v4"),
    )
    run = client.chat.completions.run_tools(
        [{"role": "system", "content": SYSTEM}, {"role": "user", "content": question}],
        tools=[list_orders, get_order, return_order],
        model="glm-4.6",
        temperature=0,  # the same question calls the same tools
    )
    for event in run:
        match event.type:
            case "content.delta":
                print(event.delta, end="", flush=True)
            case "tool_call.done":
                print(f"[{event.name} {event.arguments}]")
            case "tool_call.result":
                print(f"[-> {event.content}]")
    print()


if __name__ == "__main__":
    try:
        main(" ".join(sys.argv[1:]) or "What is the status of order 1001?")
    except zai.ZaiError as error:
        sys.exit(f"\ncustomer_service.py: {error}")
    finally:
        database.close()
