"""In: published tables. Out: the same tables with what nearbank gives beside, by setting. Decides and times nothing."""

from nearbank.reproduce.tables import TABLES, Row, Setting, reproduce, settings

__all__ = ["TABLES", "Row", "Setting", "reproduce", "settings"]
