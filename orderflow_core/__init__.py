"""Order-flow numerics: arrays in, arrays out, exact and causal."""
