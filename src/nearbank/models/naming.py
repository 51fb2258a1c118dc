"""Names that a person knows for the nodes of an exported program: those of its modules."""

from __future__ import annotations

import ast

import onnx_ir as ir

__all__ = ["name_nodes"]

# How the exporter notes where a node comes from: the modules it is in, outermost first, then the operator's name.
_SCOPES = "pkg.torch.onnx.name_scopes"
_PRODUCTS = ("Conv", "ConvTranspose", "Gemm", "MatMul")


def name_nodes(model: ir.Model) -> None:
    """Names products after the module whose weight they use, other nodes after their module and operator.

    Names repeat where modules are used twice: loading numbers them.
    """
    for node in model.graph:
        name = _of_weight(node) or _of_scopes(node)
        if name:
            node.name = name


def _of_weight(node: ir.Node) -> str:
    """``features.0`` for the weight ``features.0.weight``, ``attn.in_proj`` for ``attn.in_proj_weight``."""
    if node.op_type not in _PRODUCTS:
        return ""
    for value in node.inputs[:2]:
        while value is not None and not value.is_initializer():
            maker = value.producer()
            value = maker.inputs[0] if maker is not None and maker.op_type in ("Transpose", "Identity") else None
        if value is not None and value.name:
            for end in (".weight", "_weight"):
                if value.name.endswith(end):
                    return value.name.removesuffix(end)
    return ""


def _of_scopes(node: ir.Node) -> str:
    text = node.metadata_props.get(_SCOPES, "")
    try:
        scopes = ast.literal_eval(text) if text else []
    except (SyntaxError, ValueError):
        return ""
    # The exporter's own names are unique, and a person's when the module's path is before them.
    name = (node.name or node.op_type).removeprefix("node_")
    path = str(scopes[-2]) if len(scopes) > 1 else ""
    return f"{path}.{name}" if path else name
