"""One network, one file: an ordered, complete partition of its parameters into named layers."""
