"""What the Glue jobs share: the contract's schemas, the lake's folders, the quality rules."""
