"""The result: ratios, promises kept or missed, times, and a picture."""

import math
from html import escape

# Who names owners, and who looks for a free port, as the promises mean it.
NAMES_OWNERS = ("netstat2", "listeners", "psutil", "ss", "lsof")
FINDS_PORTS = ("get-port", "detect-port", "portpicker (Python)")
OURS = "portkeeper (Rust)"


def shown(nanoseconds):
    for unit, size in (("s", 1e9), ("ms", 1e6), ("µs", 1e3)):
        if nanoseconds >= size:
            return f"{nanoseconds / size:.3g} {unit}"
    return f"{nanoseconds:.0f} ns"


def factor(ratio):
    return f"{ratio:.0f}" if ratio >= 100 else f"{ratio:.2g}"


def row(cells):
    return "| " + " | ".join(cells) + " |"


class Report:
    """`results` has the medians in nanoseconds, by load, and then by figure and contender."""

    def __init__(self, results, labels, loads, figures, extra):
        self.results, self.loads, self.figures, self.extra = results, loads, figures, extra
        measured = {label for medians in results.values() for _, label in medians}
        self.labels = sorted(measured.intersection(labels), key=lambda label: (not is_ours(label), label != OURS, label))

    def ratios(self):
        """How many times as long as ours from Rust each took: the first look under each load, the rest under the last."""
        *others, last = self.results
        columns = [(load, "first") for load in others]
        columns += [(last, figure) for figure in self.figures]
        text = [row(["", *(f"{figure}, {load}" for load, figure in columns)]), "|---" + "|--:" * len(columns) + "|"]
        for label in self.labels:
            cells = []
            for load, figure in columns:
                medians = self.results[load]
                time, ours = medians.get((figure, label)), medians.get((figure, OURS))
                if time is None or not ours:
                    cells.append("")
                else:
                    cells.append(f"**{shown(time)}**" if label == OURS else factor(time / ours))
            text.append(row([label, *cells]))
        notes = [f"- {figure}: {what}" for figure, what in self.figures.items()]
        notes += [f"- {load}: {self.loads[load]}" for load in self.results]
        head = f"Time of {OURS}, and how many times as long the others take:"
        return "\n".join([head, "", *text, "", *notes, ""])

    def times(self):
        """The times themselves."""
        text = []
        for load, medians in self.results.items():
            columns = [figure for figure in (*self.figures, *self.extra) if any(key[0] == figure for key in medians)]
            text += [f"**{load}**\n", row(["", *columns]), "|---" + "|--:" * len(columns) + "|"]
            for label in self.labels:
                times = [medians.get((figure, label)) for figure in columns]
                text.append(row([label, *("" if time is None else shown(time) for time in times)]))
            text.append("")
        return "\n".join([*text, *(f"- {figure}: {what}" for figure, what in self.extra.items()), ""])

    def limits(self, alone, together):
        """What was promised, and whether every promise was kept."""
        text, kept = [row(["promise", "against", "ratio", "limit", ""]), "|---|---|--:|--:|---|"], True

        def promise(what, against, ratio, limit):
            nonlocal kept
            reached = ratio >= limit
            kept &= reached
            text.append(row([what, against, f"{ratio:.3g}", f"{limit:g}", "kept" if reached else "**missed**"]))

        def compare(load, figure, peers, what, limit, own_figure=None):
            medians = self.results[load]
            ours = medians.get((own_figure or figure, OURS))
            times = {label: medians[figure, label] for label in peers if (figure, label) in medians}
            if times and ours:
                label = min(times, key=times.get)
                promise(f"{what}, {load}", label, times[label] / ours, limit)

        for load in self.results:
            limit = 2 if load == "crowd" else 1
            compare(load, "first", NAMES_OWNERS, "first look with owners, written down", limit)
            compare(load, "first", NAMES_OWNERS, "the same, written down by nobody", limit, own_figure="complete")
        if "crowd" in self.results:
            compare("crowd", "again", NAMES_OWNERS, "next look", 50)
        for load in self.results:
            compare(load, "check", NAMES_OWNERS, "who has one port", 100)
        for load in self.results:
            for peer in FINDS_PORTS:
                compare(load, "request", [peer], "a free port", 1)
        rates = f"{together[0]:.0f} : {alone[0]:.0f} a second"
        promise("64 processes reserve at once, without an error", f"one alone, {rates}", together[0] / alone[0], 0.5)
        promise("their longest wait", f"2 s, {together[1]:.0f} ms", 2000 / together[1], 1)
        return "\n".join(text) + "\n", kept

    def drawing(self):
        """A bar for each contender and figure, on a logarithmic scale, as SVG."""
        bar, left, width, rows = 18, 190, 620, []
        y = 10
        for load, medians in self.results.items():
            for figure, what in self.figures.items():
                bars = sorted((time, label) for (name, label), time in medians.items() if name == figure)
                if not bars:
                    continue
                rows.append(f'<text x="10" y="{y + 14}" class="head">{escape(load)}: {escape(what)}</text>')
                y += 24
                low, high = math.log10(bars[0][0]) - 0.3, math.log10(bars[-1][0])
                for time, label in bars:
                    length = width * (math.log10(time) - low) / max(high - low, 0.1)
                    kind = "ours" if is_ours(label) else "peer"
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


def is_ours(label):
    return label.startswith(("portkeeper", "portman"))
