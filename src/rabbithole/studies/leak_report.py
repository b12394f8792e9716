"""What the hunt for leaks found, as Markdown."""

from pathlib import Path

from rabbithole.io.atomic import atomic_write, read_json


def leak_tables(*, audits: dict[str, Path], output: Path) -> None:
    """Write a table of probes for each data set; `audits`: data set -> audit.json."""
    lines = ["# Audit", ""]
    for name, path in audits.items():
        told = read_json(path)
        lines += [f"## {name}", ""]
        lines += [f"- **{text}**" for text in told["findings"]] or ["Nothing suspicious."]
        lines += ["", "| a network that sees | AUC | 99 % interval | test sessions |", "|---|--:|--:|--:|"]
        lines += [
            f"| {row['name']} | {row['auc']:.3f} | {row['low']:.3f} to {row['high']:.3f} "
            f"| {row['sessions']:,} |"
            for row in told["probes"]
        ]
        lines.append("")
    with atomic_write(output) as temporary:
        temporary.write_text("\n".join(lines), "utf-8")
