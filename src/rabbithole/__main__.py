"""`python -m rabbithole ...`: how the rules call a step, with the Python of their environment."""

from rabbithole.cli import main

main()
