"""What the Snakemake rules ask: specs of steps, inputs, resources, code digests, and why a job runs."""
