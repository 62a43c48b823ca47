"""The model card as a page for people: one file, no scripts, no outside source, drawn from the card alone."""

from collections.abc import Mapping
from typing import Any

TITLES = {
    "model_overview": "Model",
    "intended_uses": "Intended use",
    "business_details": "Business",
    "training_details": "Training",
    "additional_information": "Caveats and more",
}
WIDTH, HEIGHT, MARGIN = 320, 220, 28

PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>Model card: {{ title }}</title><style>
body{font:15px/1.5 system-ui,sans-serif;color:#1b2733;max-width:1000px;margin:2rem auto;padding:0 1rem}
h1{font-size:1.7rem}h2{margin-top:2.2rem;border-bottom:2px solid #dbe3ea}h3{margin:1.4rem 0 .4rem}
table{border-collapse:collapse;margin:.4rem 0}
td,th{padding:.2rem .7rem;text-align:left;border-bottom:1px solid #e6ecf1}
td.n{text-align:right;font-variant-numeric:tabular-nums}.note{color:#5b6b7a;font-size:.87rem}
.bar{background:#2f6f9f;height:.8rem;border-radius:2px}.track{width:220px}.minus{background:#b4553a}
.charts{display:flex;flex-wrap:wrap;gap:1.6rem}dt{font-weight:600;margin-top:.5rem}dd{margin:0}
svg{background:#f7f9fb}th.m{font-weight:400;color:#5b6b7a}td.m{text-align:right}
</style></head><body>
<h1>Model card: {{ title }}</h1>
{% for name, heading in titles.items() if card.get(name) and name != "training_details" %}
<h2>{{ heading }}</h2><dl>
{% for key, value in card[name].items() if value is string %}<dt>{{ key | replace("_", " ") }}</dt>
<dd>{{ value }}</dd>{% endfor %}
{% for key, value in card[name].get("custom_details", {}).items() %}<dt>{{ key | replace("_", " ") }}</dt>
<dd>{{ value }}</dd>{% endfor %}</dl>
{% endfor %}
<h2>Training</h2>
<p>{{ training.training_observations }}</p>
<p class="note">{{ training.objective_function.function.function }}
{{ training.objective_function.function.facet }} {{ training.objective_function.function.condition }}.
{{ training.objective_function.notes }}</p>
<table>{% for entry in training.training_job_details.user_provided_training_metrics %}
<tr><td>{{ entry.name }}</td><td class="n">{{ entry.value }}</td></tr>{% endfor %}
{% for entry in training.training_job_details.user_provided_hyper_parameters %}
<tr><td>{{ entry.name }}</td><td class="n">{{ entry.value }}</td></tr>{% endfor %}</table>
{% for detail in card.evaluation_details %}
<h2>{{ detail.name | capitalize }}</h2><p>{{ detail.evaluation_observation }}</p>
{% for group in detail.metric_groups %}<h3>{{ group.name | capitalize }}</h3>
{% set single = group.metric_data | selectattr("type", "equalto", "number") | list %}
{% if single %}<table>{% for entry in single %}<tr><td>{{ entry.name }}</td>
<td class="n">{{ entry.value }}</td><td class="note">{{ entry.notes or "" }}</td></tr>
{% endfor %}</table>{% endif %}
<div class="charts">
{% for entry in group.metric_data if entry.type == "bar_chart" %}
<div><p class="note">{{ entry.name }}</p><table>
{% set most = largest(entry.value) %}{% for value in entry.value %}
<tr><td>{{ entry.x_axis_name[loop.index0] }}</td><td class="track">
<div class="bar{{ ' minus' if value < 0 }}" style="width:{{ share(value, most) }}%"></div></td>
<td class="n">{{ value }}</td></tr>{% endfor %}</table></div>{% endfor %}
{% for entry in group.metric_data if entry.type == "linear_graph" %}<div><p class="note">{{ entry.name }}:
{{ entry.y_axis_name }} over {{ entry.x_axis_name }}</p>
{% set drawn = drawing(entry.value) %}
<svg width="{{ width }}" height="{{ height }}" role="img" aria-label="{{ entry.name }}">
<polyline points="{{ drawn.points }}" fill="none" stroke="#2f6f9f" stroke-width="2"/>
{% for x, y in drawn.dots %}<circle cx="{{ x }}" cy="{{ y }}" r="2.2" fill="#2f6f9f"/>{% endfor %}
<text x="4" y="14" font-size="11">{{ drawn.top }}</text>
<text x="4" y="{{ height - 4 }}" font-size="11">{{ drawn.left }} / {{ drawn.bottom }}</text>
<text x="{{ width - 4 }}" y="{{ height - 4 }}" font-size="11" text-anchor="end">{{ drawn.right }}</text>
</svg></div>{% endfor %}
{% for entry in group.metric_data if entry.type == "matrix" %}
<div><p class="note">{{ entry.notes or "" }}</p><table>
<tr><th></th>{% for name in entry.x_axis_name %}<th class="m">{{ name }}</th>{% endfor %}</tr>
{% for line in entry.value %}<tr><th class="m">{{ entry.y_axis_name[loop.index0] }}</th>
{% set all = line | sum %}{% for value in line %}
<td class="m" style="background:rgba(47,111,159,{{ shade(value, all) }})">{{ value }}</td>
{% endfor %}</tr>{% endfor %}</table></div>{% endfor %}
</div>{% endfor %}{% endfor %}
</body></html>
"""


def render(card: Mapping[str, Any], title: str) -> str:
    """Every text is escaped: names of groups and categories come from data."""
    # Late: serving has no use for it.
    from jinja2 import Environment

    page = Environment(autoescape=True, trim_blocks=True).from_string(PAGE)
    return page.render(
        title=title,
        card=card,
        titles=TITLES,
        training=card["training_details"],
        width=WIDTH,
        height=HEIGHT,
        largest=lambda values: max(abs(value) for value in values),
        share=lambda value, most: round(100 * abs(value) / most, 1) if most else 0,
        shade=lambda value, total: round(0.75 * value / total, 3) if total else 0,
        drawing=drawing,
    )


def drawing(values: list[list[float]]) -> dict[str, Any]:
    """A line in the picture's pixels, y upwards, with the ends of its axes."""
    xs, ys = [x for x, _ in values], [y for _, y in values]
    left, right, bottom, top = min(xs), max(xs), min(ys), max(ys)

    def at(x: float, y: float) -> tuple[float, float]:
        across = (x - left) / (right - left) if right > left else 0.5
        up = (y - bottom) / (top - bottom) if top > bottom else 0.5
        return (
            round(MARGIN + across * (WIDTH - 2 * MARGIN), 1),
            round(HEIGHT - MARGIN - up * (HEIGHT - 2 * MARGIN), 1),
        )

    dots = [at(x, y) for x, y in values]
    ends = {"left": left, "right": right, "bottom": bottom, "top": top}
    return {
        "points": " ".join(f"{x},{y}" for x, y in dots),
        "dots": dots,
        **{name: f"{value:.4g}" for name, value in ends.items()},
    }
