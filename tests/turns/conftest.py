from turn_stores import open_stores, redis_server, store_kind, store_name

__all__ = ["open_stores", "redis_server", "store_kind", "store_name"]
