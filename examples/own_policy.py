"""A policy of one's own: a layer goes to memory only where that saves a fifth of its time. Beside the built-in policies."""

import nearbank as nb
from nearbank import zoo
from nearbank.plan import Costs, Kernel, System, kernels
from nearbank.plan.assembly import GPU, PIM, dispatch, drafts, span

graph = nb.load(zoo.build("mobilenet-v2", weights="random"), batch=1, name="mobilenet-v2")
memory, gpu = nb.device("newton-gddr6"), nb.gpu("rtx2060")
system = System(
    device=memory.name, gpu=gpu.name, channels=16, all_channels=memory.organization.channels, mapping="resident",
    launch_us=gpu.launch_us, join_us=gpu.launch_us,
)  # fmt: skip
costs = Costs(memory, gpu, system)


def saves_a_fifth(kernel: Kernel) -> bool:
    """Whether the memory, with launch and join, takes at most four fifths of the GPU's time."""
    if not costs.fits(kernel):
        return False
    there = costs.memory(kernel)
    return system.launch_us + there.us + there.sum_us + system.join_us <= 0.8 * costs.gpu_us(kernel)


everything = kernels(graph)
decision = {kernel.name: PIM if saves_a_fifth(kernel) else GPU for kernel in everything}
tasks = dispatch(drafts(everything, decision, costs), system.join_us)
moved = sum(shares == PIM for shares in decision.values())
print(f"saves a fifth: {moved} layers in memory, {span(tasks, system.join_us):.1f} us")

for policy in ("gpu-only", "pim", "best"):
    plan = nb.make_plan(graph, memory, gpu, policy=policy, mapping="resident")
    print(f"{policy}: {len(plan.offloaded)} layers in memory, {plan.planned_us:.1f} us")
