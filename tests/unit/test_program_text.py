"""Programs and traces as text: what is written is read again, and a line that is none is named."""

from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nearbank.devices import device
from nearbank.errors import InputError, ProgramError
from nearbank.pim import Product, compile_product
from nearbank.program import Affine, Loop, Op, Program, Section, format_program, parse_program, pimflow, unroll

COMMANDS = ("GWRITE", "COMP", "READRES", "G_ACT0", "PREA")
TRACES = Path(__file__).parents[1] / "golden" / "data" / "pimflow_traces"


@st.composite
def affine(draw: st.DrawFn, variables: tuple[str, ...]) -> Affine:
    terms = {name: draw(st.integers(-9, 9)) for name in variables if draw(st.booleans())}
    return Affine(
        draw(st.integers(-50, 9999)),
        tuple(sorted((n, f) for n, f in terms.items() if f)),
        draw(st.sampled_from([0, 0, 1, 2, 128])),
    )


@st.composite
def bodies(draw: st.DrawFn, variables: tuple[str, ...], depth: int) -> tuple[Op | Loop, ...]:
    out: list[Op | Loop] = []
    for _ in range(draw(st.integers(1, 3))):
        if depth and draw(st.booleans()):
            name = f"v{depth}"
            out.append(Loop(name, draw(st.integers(1, 5)), draw(bodies((*variables, name), depth - 1))))
        else:
            args = tuple(draw(affine(variables)) for _ in range(draw(st.integers(0, 3))))
            out.append(Op(draw(st.sampled_from(COMMANDS)), args))
    return tuple(out)


@st.composite
def programs(draw: st.DrawFn) -> Program:
    channels = draw(st.permutations(range(8)))
    cut = draw(st.integers(1, 7))
    parts = (tuple(channels[:cut]), tuple(channels[cut:]))
    return Program("newton-gddr6", tuple(Section(part, draw(bodies(("c",), 3))) for part in parts))


@settings(max_examples=150, deadline=None)
@given(programs())
def test_text_round_trip(program: Program) -> None:
    text = format_program(program)
    again = parse_program(text)
    assert again == program
    assert format_program(again) == text
    for ours, theirs in zip(program.sections, again.sections, strict=True):
        for position in range(len(ours.channels)):
            first, second = (unroll(s.body, COMMANDS, channel=position) for s in (ours, theirs))
            assert np.array_equal(first.ops, second.ops)
            assert np.array_equal(first.args, second.args)


@pytest.mark.parametrize("mapping", ["newton+", "newton++", "resident", "search"])
def test_compiled_programs_round_trip(mapping: str) -> None:
    program = compile_product(device("newton-gddr6"), Product(50, 40, 70), 5, mapping).program
    assert parse_program(format_program(program)) == program


def test_comments_blanks_and_layout_do_not_matter():
    text = "# head\nprogram d\n\nchannels 0 1   # two\n  loop p 3 {\nCOMP 0 (2*p+c)%4 p%2 # a sum\n}\n"
    body = (Loop("p", 3, (Op("COMP", (Affine(), Affine(0, (("c", 1), ("p", 2)), 4), Affine(0, (("p", 1),), 2))),)),)
    assert parse_program(text) == Program("d", (Section((0, 1), body),))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("program d\nchannels 0\nCOMP 0 a*b\n", r"f\.nbk, line 3: cannot read the operand"),
        ("program d\nchannels 0\nCOMP 0 (p%2\n", r"f\.nbk, line 3: cannot read the operand"),
        ("program d\nchannels 0\n\nloop p x {\n}\n", r"f\.nbk, line 4: cannot read the line; got 'loop p x \{'"),
        ("program d\nchannels 0\nloop p 12345678901 {\n}\n", r"f\.nbk, line 3: cannot read the line"),
        ("program d\nchannels 0\nloop p \u00b2 {\n}\n", r"f\.nbk, line 3: cannot read the line"),
        ("program d\nchannels 0\nCOMP 1234567890123456789\n", r"f\.nbk, line 3: cannot read the operand"),
        ("program d\nchannels x\n", r"f\.nbk, line 2: cannot read the line"),
        ("program d\nCOMP 0\n", r"f\.nbk, line 2: cannot read the line"),
        ("program d\nchannels 0\n}\n", r"f\.nbk, line 3: cannot read the line"),
        ("program d\nchannels 0\nloop p 2 {\nCOMP\n", r"f\.nbk: a loop is not closed; got 'p'"),
        ("channels 0\nCOMP\n", r"f\.nbk: no `program DEVICE` line"),
        ("program d\nprogram e\n", r"f\.nbk, line 2: cannot read the line"),
        ("program d\nchannels 0\n0xQ\n", r"f\.nbk, line 3: cannot read the line"),
        ("program d\nchannels 0\nCOMP q\n", "unknown loop variable; got 'q'"),
        ("program d\nchannels 0\nloop p 0 {\nCOMP\n}\n", "loop count; got 0; must be at least 1"),
        ("program d\nchannels 0\nloop p 2 {\nloop p 2 {\nCOMP\n}\n}\n", "hides an outer variable; got 'p'"),
        ("program d\nchannels 0\nCOMP\nchannels 0\nCOMP\n", "a channel stands in two sections"),
    ],
)
def test_what_cannot_be_read_is_named(text: str, message: str) -> None:
    with pytest.raises(ProgramError, match=message):
        parse_program(text, where="f.nbk")


NAMES = [command.name for command in device("newton-gddr6-pimflow").commands]


@settings(max_examples=50, deadline=None)
@given(st.lists(st.sampled_from(["GWRITE", "G_ACT0", "G_ACT3", "COMP", "READRES"]), max_size=60))
def test_trace_round_trip(commands: list[str]) -> None:
    stream = unroll([Op(name) for name in commands], NAMES)
    text = "".join(pimflow.format_trace(stream))
    again = pimflow.parse_trace(text, NAMES, where="t")
    assert [NAMES[op] for op in again.ops] == commands
    assert "".join(pimflow.format_trace(again)) == text
    assert not commands or pimflow.is_trace(text)


@pytest.mark.parametrize("path", sorted(TRACES.glob("*.gz")), ids=lambda p: p.name)
def test_public_traces_round_trip(path: Path) -> None:
    """Addresses and the widths of GWRITE are not kept: nothing that is timed depends on them. All else is, to the byte."""
    text = pimflow.read_text(path)
    stream = pimflow.parse_trace(text, NAMES, where=path.name)
    written = "".join(pimflow.format_trace(stream)).splitlines()

    def command(line: str) -> str:
        return "GWRITE" if "GWRITE" in line else line.split()[-1]

    assert [command(line) for line in written] == [command(line) for line in text.splitlines() if line.strip()]


def test_all_forms_of_a_trace_line():
    text = "# a comment\n0x1 GWRITE \n0xAB GWRITE_4 \n0x0 GWRITE_2 1 2 3\n0x0 G_ACT0\r\n\n0x0 COMP\nREADRES\n"
    stream = pimflow.parse_trace(text, NAMES, where="t")
    assert [NAMES[op] for op in stream.ops] == ["GWRITE"] * 3 + ["G_ACT0", "COMP", "READRES"]


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("0x0 COMB", "t.pim, line 3: unknown command; got 'COMB'; did you mean COMP"),
        ("0x0 GWRITE_3 ", "t.pim, line 3: unknown command; got 'GWRITE_3'"),
        ("COMP 1 2 3 4", "t.pim, line 3: cannot read the line"),
        ("0xZZ COMP", "t.pim, line 3: cannot read the line"),
        ("hello world", "t.pim, line 3: cannot read the line"),
    ],
)
def test_bad_trace_lines(line: str, message: str) -> None:
    with pytest.raises(ProgramError, match=message):
        pimflow.parse_trace(f"0x0 COMP\nREADRES\n{line}\n", NAMES, where="t.pim")


def test_files_that_cannot_be_read(tmp_path):
    whole = gzip.compress(b"0x0 COMP\n" * 5000)
    for name, content, message in [
        ("cut.gz", whole[: len(whole) // 2], "damaged gzip file"),
        ("tail.gz", whole[:-3], "damaged gzip file"),
        ("flip.gz", whole[:20] + bytes([whole[20] ^ 255]) + whole[21:], "cannot read|damaged"),
        ("bytes", b"\xff\xfe\xfd" * 9, "not a text file"),
    ]:
        (tmp_path / name).write_bytes(content)
        with pytest.raises(InputError, match=message):
            pimflow.read_text(tmp_path / name)
    with pytest.raises(InputError, match=r"none\.gz: cannot read the file: No such file"):
        pimflow.read_text(tmp_path / "none.gz")
    with pytest.raises(InputError, match="Is a directory"):
        pimflow.read_text(tmp_path)
    (tmp_path / "good.gz").write_bytes(whole)
    assert pimflow.read_text(tmp_path / "good.gz").count("COMP") == 5000
