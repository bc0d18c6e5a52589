"""The result as a table, as promises kept or missed, and as a picture."""

from html import escape

# Who names owners, and who looks for a free port, as the promises mean it.
NAMES_OWNERS = ("netstat2", "listeners", "psutil", "ss", "lsof")
FINDS_PORTS = ("get-port", "detect-port", "portpicker (Python)")
OURS = "portkeeper (Rust)"
# What only ours does.
EXTRA = {"scan": "scan: as the first, and written down", "claim": "a free port, for good, and through a power cut"}


def shown(nanoseconds):
    for unit, size in (("s", 1e9), ("ms", 1e6), ("µs", 1e3)):
        if nanoseconds >= size:
            return f"{nanoseconds / size:.3g} {unit}"
    return f"{nanoseconds:.0f} ns"


def table(results, contenders, loads, figures, rounds, machine):
    """Medians, and in parentheses how many times as long as ours from Rust."""
    text = [f"Medians of {rounds} rounds; {machine}.\n"]
    labels = sorted({c.label for c in contenders}, key=lambda label: (not label.startswith("portkeeper"), label != "portman", label))
    for load, medians in results.items():
        present = [figure for figure in (*figures, *EXTRA) if any(key[0] == figure for key in medians)]
        heads = {**figures, **EXTRA}
        text += [f"**{load}** ({loads[load]})\n", "| | " + " | ".join(heads[f] for f in present) + " |", "|---" * (len(present) + 1) + "|"]
        for label in labels:
            cells = []
            for figure in present:
                time = medians.get((figure, label))
                ours = medians.get((figure, OURS))
                cells.append("" if time is None else f"{shown(time)} ({time / ours:.3g} ×)" if ours else shown(time))
            if any(cells):
                text.append(f"| {label} | " + " | ".join(cells) + " |")
        text.append("")
    return "\n".join(text)


def best(medians, figure, labels):
    times = {label: medians[figure, label] for label in labels if (figure, label) in medians}
    return min(times.items(), key=lambda item: item[1]) if times else (None, None)


def promises(results, contenders, alone, together):
    lines, kept = ["Promises:\n"], True

    def promise(text, ratio, limit):
        nonlocal kept
        reached = ratio >= limit
        kept &= reached
        lines.append(f"- {'kept' if reached else 'MISSED'}: {text}: {ratio:.3g} × (at least {limit} ×)")

    for load, medians in results.items():
        label, time = best(medians, "listeners", NAMES_OWNERS)
        if time:
            ours = medians["listeners", OURS]
            promise(f"{load}: first look with owners, against {label}", time / ours, 2 if load == "crowd" else 1)
            again = medians["again", OURS]
            if load == "crowd":
                promise(f"{load}: next scan, against {label}", time / again, 50)
        label, time = best(medians, "check", NAMES_OWNERS)
        if time and ("check", OURS) in medians:
            promise(f"{load}: check of a port in use, against {label}", time / medians["check", OURS], 100)
        label, time = best(medians, "request", FINDS_PORTS)
        if time:
            promise(f"{load}: request, against {label}", time / medians["request", OURS], 1)
    promise("64 processes reserve, against one", together[0] / alone[0], 0.5)
    promise("the longest wait of 64, against 2 s", 2000 / together[1], 1)
    return "\n".join(lines) + "\n", kept


def drawing(results, contenders, figures):
    """A bar for each contender and figure, on a logarithmic scale, as SVG."""
    import math

    bar, left, width, rows = 18, 190, 620, []
    y = 10
    for load, medians in results.items():
        for figure, what in figures.items():
            bars = sorted((time, label) for (name, label), time in medians.items() if name == figure)
            if not bars:
                continue
            rows.append(f'<text x="10" y="{y + 14}" class="head">{escape(load)}: {escape(what)}</text>')
            y += 24
            low, high = math.log10(bars[0][0]) - 0.3, math.log10(bars[-1][0])
            for time, label in bars:
                length = width * (math.log10(time) - low) / max(high - low, 0.1)
                kind = "ours" if label.startswith(("portkeeper", "portman")) else "peer"
                rows.append(
                    f'<text x="{left - 8}" y="{y + 13}" text-anchor="end">{escape(label)}</text>'
                    f'<rect x="{left}" y="{y}" width="{length:.0f}" height="{bar - 4}" class="{kind}"/>'
                    f'<text x="{left + length + 6:.0f}" y="{y + 13}">{shown(time)}</text>'
                )
                y += bar
            y += 12
    style = "text{font:12px sans-serif;fill:#333}.head{font-weight:bold}.ours{fill:#2a7}.peer{fill:#bbb}"
    body = "\n".join(rows)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {left + width + 120} {y}">'
        f"<style>{style}</style><rect width='100%' height='100%' fill='#fff'/>\n{body}\n</svg>\n"
    )
