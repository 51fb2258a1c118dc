"""In: a Program and a PimDevice. Out: cycles, values or energy. Knows no convolution."""
