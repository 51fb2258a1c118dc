"""In: a Plan and real tensors. Out: the network's values, computed task by task as the plan says. Decides nothing."""

from nearbank.runtime.execute import execute, reference
from nearbank.runtime.host import Host, OnnxHost
from nearbank.runtime.values import Values, compare

__all__ = ["Host", "OnnxHost", "Values", "compare", "execute", "reference"]
