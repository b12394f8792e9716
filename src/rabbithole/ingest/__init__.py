"""From a raw log to events: find or fetch the files, parse every line, set bad lines aside with a reason."""
