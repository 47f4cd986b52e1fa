"""Sent once, with ``notice``, in the transaction that writes it: for whoever passes notices on."""

from django.dispatch import Signal

notice_opened = Signal()
notice_closed = Signal()
