"""A small shop's events, for tests that write them in many layouts."""

import csv
import io
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path


@dataclass(frozen=True)
class Event:
    """One event of the shop. order: the number of a purchase, empty elsewhere."""

    time: datetime
    session: str
    visitor: str
    kind: str
    item: str
    category: str
    brand: str
    price: float
    device: str
    order: str


def shop_events(sessions: int = 300, seed: int = 0) -> list[Event]:
    """Return the events of some sessions of visitors who come back, in order of time."""
    draw = random.Random(seed)
    events = []
    start = datetime(2025, 3, 1, tzinfo=UTC)
    prices = [round(draw.lognormvariate(3, 0.5), 2) for _ in range(60)]
    for number in range(sessions):
        visitor = draw.randrange(sessions // 2)
        time = start + timedelta(days=20 * draw.random())
        device = draw.choice(["phone", "tablet", "desktop"])
        buys = draw.random() < 0.2
        for step in range(draw.randint(2, 9)):
            item = draw.randrange(60)
            kind = "cart" if step and draw.random() < 0.2 else "view"
            event = Event(
                time=time.replace(microsecond=1000 * draw.randrange(1000)),
                session=f"s{7_000 + number:05}",
                visitor=f"{visitor + 10_000}",
                kind=kind,
                item=f"{item + 500}",
                category=f"home.{'kitchen' if item % 2 else 'garden'}.c{item % 7}",
                brand=f"brand{item % 9}",
                price=prices[item],
                device=device,
                order="",
            )
            events.append(event)
            time += timedelta(seconds=draw.randint(5, 300))
        if buys:
            last = events[-1]
            events.append(
                Event(
                    time=time,
                    session=last.session,
                    visitor=last.visitor,
                    kind="purchase",
                    item=last.item,
                    category=last.category,
                    brand=last.brand,
                    price=last.price,
                    device=device,
                    order=f"{90_000 + number}",
                )
            )
    return sorted(events, key=lambda event: event.time)


Getter = Callable[[Event], object]


def write_csv(
    path: Path,
    columns: Mapping[str, Getter],
    events: Sequence[Event] | None = None,
    *,
    separator: str = ",",
    header: bool = True,
    encoding: str = "utf-8",
) -> Path:
    """Write events as separated text, with the given columns."""
    text = io.StringIO()
    writer = csv.writer(text, delimiter=separator)
    if header:
        writer.writerow(columns)
    for event in shop_events() if events is None else events:
        writer.writerow([get(event) for get in columns.values()])
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(text.getvalue().encode(encoding))
    return path
