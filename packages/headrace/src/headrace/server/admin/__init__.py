"""`/admin`: what the server is doing, in a page that needs nothing else."""

from headrace.server.admin.activity import Activity
from headrace.server.admin.endpoint import AdminEndpoint

__all__ = ["Activity", "AdminEndpoint"]
