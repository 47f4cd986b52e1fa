"""Sent once, after the commit, with ``notice``: for whoever passes notices on."""

from django.dispatch import Signal

notice_opened = Signal()
notice_closed = Signal()
