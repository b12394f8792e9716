"""Find events that only mark the end of a session, such as a log-out that a timer writes."""

import numpy as np

from rabbithole.inspection.keys import Keyed
from rabbithole.inspection.mapped import Mapped
from rabbithole.inspection.proposal import TableProposal

MIN_WORD_COUNT = 20
"""A word that occurs less often may be last by chance."""

LAST_SHARE = 0.98
"""Share of a word's events that must be the last of their session. A sample cuts few sessions short."""

MOST_ALONE, MOST_BUYERS = 0.5, 0.5
"""Of a word's events, at most so many may be alone in their session, or in one with a purchase: what follows
a purchase is never seen by the models."""


def ending_words(table: TableProposal, mapped: Mapped, gap: float | None) -> list[str]:
    """Return the words of a table that only end sessions, sorted.

    If the end is only written for those who did not buy, such a word gives it away: windows stop before
    the first purchase, so a buyer's never holds it. gap: seconds of a pause that ends a session, or None.
    """
    column = table.roles.event.column
    if column is None:
        return []
    keyed = Keyed.by(mapped.keys, mapped.seconds, table.sample.block)
    if len(keyed.order) == 0:
        return []
    words = column.values.fill_null("").to_numpy(zero_copy_only=False)[keyed.order]
    first = keyed.starts(gap)
    last = np.append(first[1:], True)
    session = np.cumsum(first) - 1
    bought = mapped.bought[keyed.order]
    buyer = np.isin(session, session[bought])
    endings = []
    for word in {*column.counts} - {*table.words.purchase}:
        own = words == word
        if (
            own.sum() >= MIN_WORD_COUNT
            and last[own].mean() >= LAST_SHARE
            and first[own].mean() <= MOST_ALONE
            and buyer[own].mean() <= MOST_BUYERS
        ):
            endings.append(word)
    return sorted(endings)
