"""In: a Plan and real tensors. Out: the network's values, computed by the programs of the plan. Decides nothing."""
