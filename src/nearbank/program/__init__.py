"""The Program: for each channel a loop nest of DRAM commands with affine operands; its text form, its flat stream and the
trace formats of other tools. Knows the names of commands, not their timing or meaning."""

from nearbank.program.ir import Affine, Loop, Node, Op, Program, Section, Var, commands, loop
from nearbank.program.stream import Stream, unroll
from nearbank.program.text import format_program, parse_program

__all__ = [
    "Affine",
    "Loop",
    "Node",
    "Op",
    "Program",
    "Section",
    "Stream",
    "Var",
    "commands",
    "format_program",
    "loop",
    "parse_program",
    "unroll",
]
