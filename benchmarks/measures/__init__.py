"""What is measured: one module for each kind of quantity, each a function of sides and sizes that returns figures."""
