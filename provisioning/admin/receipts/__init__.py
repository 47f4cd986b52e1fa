"""The admin of receipts: the list of leavers, a receipt, the comparison with HR's list, the switch."""
