"""Results that outlive their cluster: files, an index, and when to use them."""
