"""What the doctor looks at. Each check yields findings and changes nothing that lasts."""
