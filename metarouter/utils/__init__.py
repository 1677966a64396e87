"""What every room may use: checks of input, seeds, groups, files, tables and figures."""
