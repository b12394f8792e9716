"""Rabbithole follows a shopper's clicks and says who will buy."""
