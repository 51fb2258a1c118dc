"""Devices that switch modes between register access and the rest: their mappings and their bound."""

from nearbank.pim.modal.bound import modal_bound
from nearbank.pim.modal.host import host
from nearbank.pim.modal.search import search_modal
from nearbank.pim.modal.serial import serial

__all__ = ["host", "modal_bound", "search_modal", "serial"]
