"""In: a device name or TOML file. Out: a PimDevice, frozen and checked. Knows numbers, not what is done with them."""
