"""Notices: what somebody must know of, once for each cause and subject, on a page and by mail.

``causes`` is the list of what is watched, which other packages add theirs to; ``watch`` opens and closes notices, and
``mail`` tells people as each of them has chosen.
"""
