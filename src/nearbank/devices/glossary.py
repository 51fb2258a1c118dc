"""What every key of a device file means: its unit and a line for a person. JEDEC's terms for DRAM; see `PimDevice` for the rest."""

from __future__ import annotations

from collections.abc import Mapping

__all__ = ["ENERGY", "NUMERICS", "ORGANIZATION", "REFRESH", "TIMING"]

ORGANIZATION: Mapping[str, str] = {
    "channels": "channels of the memory, all together",
    "pim_channels": "channels that can compute; the others are plain memory",
    "bank_groups": "groups of banks a channel",
    "banks_per_group": "banks a group; each bank has a MAC unit",
    "rows": "rows a bank",
    "columns": "columns a row",
    "column_bytes": "bytes a column, which one command reads: 2 x lanes",
    "lanes": "lanes a MAC unit: multiplications a command in each bank; a power of two (an adder tree)",
    "global_buffers": "buffers a channel, whose content all of its banks multiply with",
    "buffer_columns": "columns a global buffer holds",
    "result_latches": "latches a bank: sums that may be under way or wait to be read",
    "function_rows": "rows a bank, that hold tables of activation functions",
}

TIMING: Mapping[str, str] = {
    "nBL": "burst: a column on the data bus",
    "nCCDS": "column command to column command, other bank group",
    "nCCDL": "column command to column command, same bank group",
    "nCL": "read latency: read command to its first data",
    "nCWL": "write latency: write command to its first data",
    "nRCDR": "activate to read of the row",
    "nRCDW": "activate to write of the row",
    "nRCDRD": "activate to read of the row",
    "nRCDRDMAC": "activate to multiplication with the row",
    "nRCDRDAF": "activate to activation function",
    "nRCDRDCP": "activate to copy from the row",
    "nRCDEWMUL": "activate to elementwise multiplication",
    "nRCDWR": "activate to write of the row",
    "nRCDWRCP": "activate to copy into the row",
    "nRP": "precharge to activate",
    "nRAS": "activate to precharge: the cells are restored",
    "nRC": "activate to activate of the same bank",
    "nPPD": "precharge to precharge",
    "nRTP": "read to precharge",
    "nWTR": "end of write data to read",
    "nWTRS": "end of write data to read, other bank group",
    "nWTRL": "end of write data to read, same bank group",
    "nWR": "end of write data to precharge",
    "nRRD": "activate to activate of another bank",
    "nRRDS": "activate to activate, other bank group",
    "nRRDL": "activate to activate, same bank group",
    "nFAW": "window in which at most four banks may be activated",
    "nRFC": "refresh to the next command",
    "nREFI": "how often a refresh falls due",
    "nRTW": "idle clocks of the bus when it turns from read to write",
    "nTREE": "adder tree: last multiplication to its sum",
    "nFILL": "fill of a global buffer to what needs it",
    "nGWH": "fill to the next fill or activation",
    "nRDGW": "read of results to the next fill",
    "nMODCH": "switch between register access and the other commands",
    "nCLREG": "read latency of the MAC registers",
    "nCLGB": "read latency of the global buffer",
    "nCWLREG": "write latency of the MAC registers",
    "nCWLGB": "write latency of the global buffer",
    "nWPRE": "write preamble on the bus",
    "nQUEUE": "requests that wait in a channel's queue (a count, not clocks)",
}

REFRESH: Mapping[str, str] = {
    "interval": "clocks between refreshes that fall due",
    "where": '"before": as soon as all banks are closed, or by closing and reopening them; "after": right after one of commands',
    "commands": "at which a refresh may be taken",
    "postpone": "refreshes that may be owed before rows are closed for them",
}

NUMERICS: Mapping[str, str] = {
    "operand": '"fp16" or "bf16": what is multiplied; sums are float32, rounded when read',
    "source": "where that is from",
}

ENERGY: Mapping[str, str] = {
    "pre": "one precharge; held in idd0 already and not added",
    "buffer_read": "a read of a column of a global buffer",
    "buffer_write": "one write of a column of a global buffer",
    "row_read": "one read of a bank, charged once for row_read_columns multiplications",
    "row_read_columns": "multiplications that one row_read is charged for",
    "buffer_reads": "reads of the global buffer a multiplication: 1 broadcasts to all banks",
    "multiply": "one multiplication",
    "add": "one addition",
    "vdd": "supply",
    "idd0": "current, rows opened and closed all the time",
    "idd2n": "current, all rows closed",
    "idd3n": "current, rows open",
    "idd4w": "current, writing all the time",
    "idd4r": "current, reading all the time",
    "idd5ab": "current, refreshing all the time",
    "trc": "row cycle at which idd0 was measured",
    "tras": "of it, with the row open",
    "trfc": "refresh cycle at which idd5ab was measured",
    "active_standby": "a channel with rows open",
    "precharge_standby": "a channel with all rows closed",
    "activate": "one bank, for nRC",
    "read": "for access_time a column",
    "write": "for access_time a column",
    "mac": "all banks, for mac_time a command",
    "access_time": "of a column",
    "mac_time": "of a multiplication command",
    "dq": "data bus",
}
