"""Several operations in one request (RFC 7644 section 3.7).

An operation may refer to what another one creates, wherever that stands in the request, by ``bulkId:NAME``. So a POST
is done before those that refer to it. POSTs that refer to each other in a circle, such as two groups that are members
of each other, are created without those references first, which are added afterwards; they succeed or fail together.
"""

from scim.bulk.job import Job
from scim.bulk.operations import MAX_BYTES, MAX_OPERATIONS, BulkOperation, OperationResult

__all__ = ["MAX_BYTES", "MAX_OPERATIONS", "BulkOperation", "Job", "OperationResult"]
