"""What requests carry: one Struct per body, by the rules of `contract.fields`."""
