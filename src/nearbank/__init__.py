"""nearbank: convolutional networks on a GPU whose memory can compute."""

__version__ = "0.1.0"
