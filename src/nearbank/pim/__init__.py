"""In: one matrix product and a PimDevice. Out: a mapping and its Program. Knows no GPU and no graph."""
