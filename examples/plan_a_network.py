"""Plan MobileNetV2 with the Python API, then time one product with two mappings."""

import nearbank as nb
from nearbank import zoo

graph = nb.load(zoo.build("mobilenet-v2"), batch=1, name="mobilenet-v2")
memory = nb.device("newton-gddr6")
plan = nb.make_plan(graph, memory, nb.gpu("h200"), policy="best", mapping="resident")
print(f"GPU only {plan.gpu_only_us:.1f} us, planned {plan.planned_us:.1f} us")

for mapping in ("newton++", "resident"):
    layer = nb.time_product(memory, nb.Product(12544, 16, 96), 16, mapping)
    print(f"{layer.product}, {mapping}: {layer.timing.cycles:,} cycles, bound {layer.bound.cycles:,}")
