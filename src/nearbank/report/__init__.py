"""In: finished results. Out: tables and JSON. Computes nothing."""
