"""In: a model as a person names it: a built-in one, an ONNX or torch.export file, or what holds one. Out: a Graph.

torch is imported only where a torch.export program is read.
"""

from nearbank.models.opening import ModelLike, load, open_model

__all__ = ["ModelLike", "load", "open_model"]
