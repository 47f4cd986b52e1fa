"""What is written to the log: one line a record, without secrets, with the ids of what it is about.

Ids are bound where something begins (a request, a task, a run, a delivery) with ``structlog.contextvars``, which every
package may use; they travel with a message to a worker. No Django in here: the web server's own log uses it too.
"""
