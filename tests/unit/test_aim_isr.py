"""AiM's host instructions: text in and out, lowering to commands, and every kind of bad input with its line."""

from __future__ import annotations

import pytest

from nearbank.devices import FUNCTION_ROW, device
from nearbank.errors import ProgramError
from nearbank.program import aim, aim_export, parse_program

NAMES = [c.name for c in device("aim-gddr6").commands]
TEXT = """# a comment
W CFR 0 1

AiM WR_GB 2 7 0x80000001   # columns 7 and 8 of the host
AiM WR_BIAS 3 0x1
AiM MAC_ABK 2 0x1 5
AiM MAC_ABK 1 0x1 6
AiM RD_MAC 4 0x1
AiM AF 0x1
AiM RD_AF 5 0x1
AiM EOC
"""


def commands(text: str, channel: int = 31) -> list[str]:
    """Each as its name and the operands that its role has."""
    stream = aim.lower_isr(aim.parse_isr(text), NAMES)[channel]
    return [" ".join([NAMES[op], *map(str, args)]) for op, args in zip(stream.ops, stream.args.tolist(), strict=True)]


def test_lowering() -> None:
    assert commands(TEXT) == [
        *("TMOD 0 0 0", "WRGB 0 7 0", "WRGB 1 8 0", "WRMAC16 0 3 0"),
        *("TMOD 0 0 0", "ACT16 5 0 0", "MAC16 0 0 0", "MAC16 1 1 0"),
        *("PREA 0 0 0", "ACT16 6 0 0", "MAC16 0 0 0", "TMOD 0 0 0", "RDMAC16 0 4 0"),
        *("TMOD 0 0 0", "PREA 0 0 0", f"ACT16 {FUNCTION_ROW} 0 0", "AF16 0 0 0", "TMOD 0 0 0", "RDAF16 0 5 0"),
    ]
    assert commands(TEXT, channel=0) == ["TMOD 0 0 0", "WRGB 0 7 0", "WRGB 1 8 0"]


def test_an_open_row_and_a_mode_stay() -> None:
    text = "AiM MAC_ABK 1 0x1 5\nAiM MAC_ABK 1 0x1 5\nAiM WR_BIAS 0 0x1\nAiM RD_MAC 0 0x1\nAiM EOC"
    assert [c.split()[0] for c in commands(text)] == ["ACT16", "MAC16", "MAC16", "TMOD", "WRMAC16", "RDMAC16"]


def test_the_function_register_selects_the_row() -> None:
    text = "W CFR 2 3\nAiM AF 0x1\nAiM AF 0x1\nW CFR 2 4\nAiM AF 0x1\nAiM EOC"
    rows = [int(c.split()[1]) - FUNCTION_ROW for c in commands(text) if c.startswith("ACT16")]
    assert rows == [3, 4]


@pytest.mark.parametrize(
    ("mask", "channels"), [("0x1", (31,)), ("0x80000000", (0,)), ("0xf", (28, 29, 30, 31)), ("5", (29, 31))]
)
def test_bit_i_is_channel_31_minus_i(mask: str, channels: tuple[int, ...]) -> None:
    assert aim.parse_isr(f"AiM AF {mask}\nAiM EOC")[0].channels == channels


def test_text_round_trip() -> None:
    program = aim.parse_isr(TEXT)
    again = aim.parse_isr("".join(aim_export.format_isr(program)))
    assert [str(isr) for isr in again] == [str(isr) for isr in program]
    assert str(program[1]) == "AiM WR_GB 2 7 0x80000001"


@pytest.mark.parametrize(("name", "fields"), sorted(aim.FIELDS.items()))
def test_every_instruction_is_read_and_written(name: str, fields: tuple[str, ...]) -> None:
    line = " ".join([name, *("0x3" if field == "mask" else "1" for field in fields)])
    isr = aim.parse_isr(line if name == "AiM EOC" else f"{line}\nAiM EOC")[0]
    assert str(isr) == line


def test_what_is_recognised() -> None:
    assert aim.is_isr(TEXT)
    assert aim.is_isr("#\n\nAiM EOC")
    assert aim.is_isr("R MEM 0 0 0")
    assert not aim.is_isr("")
    assert not aim.is_isr("program aim-gddr6\n")
    assert not aim.is_isr("W\n")
    assert not aim.is_isr("0x0 GWRITE\n")


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("AiM MACABK 1 0x1 0", "unknown instruction"),
        ("AiM", "unknown instruction"),
        ("0x0 GWRITE", "unknown instruction"),
        ("AiM MAC_ABK 1 0x1", "wrong number of fields"),
        ("AiM MAC_ABK 1 0x1 0 0", "wrong number of fields"),
        ("AiM MAC_ABK one 0x1 0", "size is not a whole number"),
        ("AiM MAC_ABK 1 0xg 0", "mask is not a whole number"),
        ("AiM MAC_ABK 0 0x1 0", "size"),
        ("AiM MAC_ABK 65 0x1 0", "must be 1 to 64"),
        ("AiM MAC_ABK 1 0x0 0", "mask"),
        ("AiM MAC_ABK 1 0x100000000 0", "mask"),
        ("AiM MAC_ABK 1 0x1 16384", "must be 0 to 16383"),
        ("AiM MAC_ABK 1 0x1 -1", "row"),
        ("AiM RD_MAC -3 0x1", "gpr"),
        ("AiM RD_SBK 0 0x1 16 0", "bank"),
        ("W CFR 3 0", "configuration register"),
        ("W CFR 2 8", "activation function"),
    ],
)
def test_bad_lines(line: str, message: str) -> None:
    with pytest.raises(ProgramError, match=message) as error:
        aim.parse_isr(f"# first\n{line}\nAiM EOC", where="file")
    assert error.value.where == "file, line 2"


def test_the_end() -> None:
    with pytest.raises(ProgramError, match="t: the trace does not end with AiM EOC"):
        aim.parse_isr("AiM SYNC", where="t")
    with pytest.raises(ProgramError, match="does not end"):
        aim.parse_isr("")
    with pytest.raises(ProgramError, match="t, line 2: an instruction behind AiM EOC"):
        aim.parse_isr("AiM EOC\nAiM SYNC", where="t")


@pytest.mark.parametrize("name", ["AiM EWMUL 1 0x1 0", "AiM COPY_BKGB 1 0x1 0 0", "AiM COPY_GBBK 1 0x1 0 0",
                                  "AiM WR_SBK 0 0x1 0 0", "AiM RD_SBK 0 0x1 0 0", "AiM EWADD 1 0 0", "R MEM 0 0 0"])  # fmt: skip
def test_what_is_not_modelled_says_so(name: str) -> None:
    program = aim.parse_isr(f"AiM SYNC\n{name}\nAiM EOC")
    with pytest.raises(ProgramError, match="line 2: the instruction is not modelled"):
        aim.lower_isr(program, NAMES)


def test_export_of_a_program() -> None:
    """Channels share the instructions that are equal, and reads into registers that follow each other; others have their own."""
    text = """program aim-gddr6
channels 4 5
ACT16 3
TMOD
"""
    with pytest.raises(ProgramError, match="channel 4, command 1: host instructions have another command here"):
        aim_export.isr_of_program(parse_program(text), NAMES)
    body = (
        "TMOD\nloop i 3 {\nWRGB i i+9\n}\nWRMAC16 0 1\nTMOD\nACT16 3\nloop i 3 {\nMAC16 i i 0\n}\nTMOD\nRDMAC16 0 %s\n"
    )
    program = parse_program(f"program aim-gddr6\nchannels 4 5\n{body % 'c+2'}channels 6\n{body % '8'}")
    lines = [str(isr) for isr in aim_export.isr_of_program(program, NAMES)]
    assert lines == [
        *("AiM WR_GB 3 9 0xe000000", "AiM WR_BIAS 1 0xe000000", "AiM MAC_ABK 3 0xe000000 3"),
        *("AiM RD_MAC 2 0xc000000", "AiM RD_MAC 8 0x2000000", "AiM EOC"),
    ]


def test_export_of_columns_that_the_format_cannot_name() -> None:
    text = "program aim-gddr6\nchannels 0\nACT16 0\nloop i 4 {\nMAC16 i+8 i 0\n}\n"
    with pytest.raises(
        ProgramError, match=r"channel 0, command 2, MAC16: host instructions cannot have these operands"
    ):
        aim_export.isr_of_program(parse_program(text), NAMES)
    loose = aim_export.isr_of_program(parse_program(text), NAMES, exact=False)
    assert [str(isr) for isr in loose] == ["AiM MAC_ABK 4 0x80000000 0", "AiM EOC"]


def test_export_of_what_no_instruction_does() -> None:
    with pytest.raises(ProgramError, match="channel 0, command 1, REF: no host instruction does it"):
        aim_export.isr_of_program(parse_program("program aim-gddr6\nchannels 0\nREF\n"), NAMES)
    with pytest.raises(ProgramError, match="channel"):
        aim_export.isr_of_program(parse_program("program aim-gddr6\nchannels 32\nTMOD\n"), NAMES)


def test_export_names_the_function_before_it_is_used() -> None:
    text = "W CFR 2 3\nAiM AF 0x3\nAiM RD_AF 0 0x3\nAiM EOC"
    streams = aim.lower_isr(aim.parse_isr(text), NAMES)
    assert "".join(aim_export.format_isr(aim_export.isr_of_streams(streams))) == text + "\n"
