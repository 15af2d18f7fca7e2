"""The interfaces of older systems and of tools that expect others: paths and shapes are theirs, figures are ours."""
