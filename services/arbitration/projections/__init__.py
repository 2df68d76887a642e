"""What is kept of every waybill beside its verdict: pure functions from a look at a waybill to rows, one file each."""
