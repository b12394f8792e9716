"""Windows: the encoder is fitted on train, and the last steps of each session become codes and numbers."""
