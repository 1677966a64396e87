"""What the labels at hand say of every query, and whether there are enough of them."""
