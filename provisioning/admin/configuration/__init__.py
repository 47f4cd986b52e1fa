"""The admin of changes of the configuration: the list, and which thing each is about."""
