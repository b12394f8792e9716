"""Sessions become windows of codes and numbers."""
