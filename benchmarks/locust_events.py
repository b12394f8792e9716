"""What each client of `make bench-serve` does: post the next event of a session, again and again."""

import random
from datetime import UTC, datetime, timedelta
from itertools import count

from locust import FastHttpUser, task

NUMBERS = count()


class Shopper(FastHttpUser):
    """Sessions of ten events, one after the other."""

    def on_start(self) -> None:
        """Begin at a fixed time of the shop."""
        self.now, self.seen = datetime(2014, 9, 1, tzinfo=UTC), 0
        self.session = f"s{next(NUMBERS)}"

    @task
    def post_event(self) -> None:
        """Post one event."""
        if self.seen == 10:
            self.session, self.seen = f"s{next(NUMBERS)}", 0
        self.now += timedelta(seconds=1)
        self.seen += 1
        event = {
            "session_id": self.session,
            "timestamp": self.now.isoformat(),
            "item": str(random.randint(1, 1000)),
        }
        with self.client.post("/models/shop/events", json=[event], catch_response=True) as response:
            if response.status_code != 200 or response.json()[0].get("events") != self.seen:
                response.failure(f"{response.status_code}: {response.text}")
