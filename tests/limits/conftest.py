from limited_servers import open_server
from turn_stores import open_stores, redis_server, store_kind, store_name

__all__ = ["open_server", "open_stores", "redis_server", "store_kind", "store_name"]
