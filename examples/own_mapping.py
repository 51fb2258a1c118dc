"""A mapping of one's own: one pixel at a time. Timed beside the built-in ones, and its values compared with the oracle."""

import numpy as np

import nearbank as nb
from nearbank import sim
from nearbank.devices import PimDevice
from nearbank.errors import Infeasible
from nearbank.pim import Compiled, Product, Tile
from nearbank.pim.emit import Dialect
from nearbank.program import Affine, Program, Section, Var, loop


def one_by_one(device: PimDevice, product: Product, channels: int) -> Compiled:
    """Each channel takes an equal run of pixels: fill the buffer with a pixel, then one sum for each group of outputs."""
    chunks, groups = product.chunks(device), product.groups(device)
    columns = device.organization.columns
    if chunks * groups > columns:
        raise Infeasible("the weights need more than a row", demand=chunks * groups, bound=columns, unit="columns")
    if product.pixels % channels:
        raise Infeasible("pixels left over", demand=product.pixels % channels, bound=0, unit="pixels")
    say, each = Dialect(device), product.pixels // channels

    # c is the channel, p the pixel of the channel, g the group of outputs: the operands are affine in them.
    pixel = each * Var("c") + Var("p")
    fill = say.fill(Affine(0), chunks * pixel, chunks)
    multiply = say.mac(chunks * Var("g"), Affine(0), 0, chunks)
    read = say.read(0, groups * pixel + Var("g"))
    body = (*say.open(0, first=True), *loop("p", each, fill, loop("g", groups, multiply, read)))

    # Group g's weights stand in columns g * chunks and on of row 0: the same in every channel.
    tiles = tuple(Tile(row=0, column=g * chunks, group=g, chunk=0, count=chunks) for g in range(groups))
    section = Section(tuple(range(channels)), body)
    program = Program(device.name, (section,))
    whole = (0, chunks)
    return Compiled(
        product, device, "one by one", channels, program, (whole,), dict.fromkeys(section.channels, tiles), (whole,)
    )


memory, product = nb.device("newton-gddr6"), nb.Product(784, 192, 32)
mine = one_by_one(memory, product, 16)
cycles = sim.time_program(memory, mine.program).cycles
print(f"one by one: {cycles:,} cycles")
for name in ("newton++", "resident", "search"):
    found = nb.time_product(memory, product, 16, name)
    print(f"{name}: {found.timing.cycles:,} cycles, bound {found.bound.cycles:,}")

rng = np.random.default_rng(0)
x = rng.standard_normal((product.pixels, product.in_channels), np.float32)
w = rng.standard_normal((product.in_channels, product.out_channels), np.float32)
values = mine.outputs(sim.play_values(memory, mine.program, mine.weights(w), mine.inputs(x), mine.result_count))
assert np.array_equal(values, sim.oracle(memory, x, w, mine.pieces))
print(f"{values.size:,} values bit-equal to the oracle")
