"""Events: what happened to people, groups, memberships, accounts, imports and guards, sent to whoever subscribed.

``outbox`` writes an event in the transaction of what it tells, ``fan_out`` gives each subscription its deliveries, and
``delivery`` sends them as a third kind of the outbound engine's work. ``kinds``, ``filters`` and ``envelopes`` are
pure.
"""
