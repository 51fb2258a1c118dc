"""In: a Plan and what the rooms below say of it. Out: one HTML file. Computes nothing."""

from nearbank.report.html.content import Content, gather
from nearbank.report.html.page import check_plotly, render, write_html

__all__ = ["Content", "check_plotly", "gather", "render", "write_html"]
