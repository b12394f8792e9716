"""One frozen, typed spec per step: a rule writes it as JSON, the step's command parses it once."""
