"""All of torch: patches, plan, prefix cache, fit, evaluation, checkpoint, export."""
