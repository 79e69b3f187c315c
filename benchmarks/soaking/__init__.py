"""Parts of benchmarks.soak: who asks, what is measured meanwhile, what is true at the end."""
