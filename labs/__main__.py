"""`python -m labs`: the same as the console script."""

from labs.cli import main

main()
