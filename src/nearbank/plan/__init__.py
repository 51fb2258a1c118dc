"""In: a Graph, a PIM device and a GPU profile. Out: a Plan: who does what, when, and why. Computes no values."""
