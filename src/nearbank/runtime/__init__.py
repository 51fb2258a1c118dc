"""In: a Plan and real tensors. Out: the network's values, computed by the programs of the plan. Decides nothing."""

from nearbank.runtime.execute import Values, compare, execute, reference

__all__ = ["Values", "compare", "execute", "reference"]
