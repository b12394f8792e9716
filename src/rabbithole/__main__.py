"""`python -m rabbithole STEP`, as the rules call it: with whatever Python their environment has."""

from rabbithole.cli import main

main()
