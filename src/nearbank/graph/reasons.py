"""Why an operator is no matrix work, in words for a report."""

from __future__ import annotations

__all__ = ["is_elementwise", "reason_for"]

# fmt: off
_ELEMENTWISE = (
    "Abs", "Add", "And", "BatchNormalization", "Cast", "Ceil", "Celu", "Clip", "Cos", "Div", "Elu", "Equal",
    "Erf", "Exp", "Floor", "Gelu", "Greater", "GreaterOrEqual", "HardSigmoid", "HardSwish", "LeakyRelu", "Less",
    "LessOrEqual", "Log", "Max", "Mean", "Min", "Mish", "Mod", "Mul", "Neg", "Not", "Or", "PRelu", "Pow",
    "Reciprocal", "Relu", "Round", "Selu", "Sigmoid", "Sign", "Sin", "Softplus", "Softsign", "Sqrt", "Sub", "Sum",
    "Swish", "Tan", "Tanh", "ThresholdedRelu", "Where", "Xor",
)
_MOVES = (
    "Compress", "Concat", "DepthToSpace", "Expand", "Flatten", "Gather", "GatherElements", "GatherND", "Identity",
    "Pad", "Reshape", "Resize", "Reverse", "ScatterElements", "ScatterND", "Slice", "SpaceToDepth", "Split",
    "Squeeze", "Tile", "Transpose", "Unsqueeze", "Upsample",
)
_POOLS = (
    "AveragePool", "GlobalAveragePool", "GlobalLpPool", "GlobalMaxPool", "LpPool", "MaxPool",
)
_NORMALIZES = (
    "GroupNormalization", "InstanceNormalization", "LRN", "LayerNormalization", "LogSoftmax", "RMSNormalization",
    "Softmax",
)
_CONTROL = (
    "If", "Loop", "Scan",
)
# fmt: on

_REASONS = {
    **dict.fromkeys(_ELEMENTWISE, "elementwise: one operation per element, no reuse"),
    **dict.fromkeys(_MOVES, "moves data, computes nothing"),
    **dict.fromkeys(_POOLS, "pooling: no weights"),
    **dict.fromkeys(_NORMALIZES, "normalization over other elements: no matrix product"),
    **dict.fromkeys(_CONTROL, "control flow"),
    "BatchNormalization": "batch normalization that follows no convolution of its own: elementwise",
    "ConvTranspose": "transposed convolution",
    "Einsum": "general contraction",
}


def reason_for(domain: str, op_type: str) -> str:
    """The reason for an operator that is neither Conv nor Gemm nor MatMul."""
    if domain not in ("", "ai.onnx"):
        return f"operator of another domain: {domain}"
    if op_type in _REASONS:
        return _REASONS[op_type]
    if op_type.startswith(("Reduce", "Arg")):
        return "reduction: no weights"
    return "no matrix product with constant weights"


def is_elementwise(domain: str, op_type: str) -> bool:
    """Whether each output element depends on the elements at its own place only (broadcasting aside)."""
    return domain in ("", "ai.onnx") and op_type in _ELEMENTWISE
