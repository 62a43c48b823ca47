"""The template of the report."""

STYLE = """
:root { --ink: #222; --soft: #6b7280; --line: #e5e7eb; --act: #b3261e; --look: #9a6a00; --fine: #00735a; }
* { box-sizing: border-box; }
body { font: 15px/1.5 system-ui, "DejaVu Sans", sans-serif; color: var(--ink); margin: 0 auto; max-width:
1060px;
  padding: 24px 20px 60px; }
h1 { font-size: 26px; margin: 0 0 2px; } h2 { font-size: 19px; margin: 38px 0 6px; padding-top: 14px;
  border-top: 2px solid var(--line); }
p { margin: 6px 0; } .soft, figcaption { color: var(--soft); font-size: 13px; }
.facts { display: flex; flex-wrap: wrap; gap: 8px 26px; margin: 14px 0 18px; padding: 0; list-style: none; }
.facts span { display: block; font-size: 12.5px; color: var(--soft); } .facts b { font-size: 16px; }
.findings { list-style: none; margin: 0; padding: 0; }
.findings li { display: grid; grid-template-columns: 22px 1fr; gap: 10px; padding: 7px 0;
  border-bottom: 1px solid var(--line); }
.mark { width: 22px; height: 22px; border-radius: 50%; color: #fff; font-weight: bold; text-align: center;
  line-height: 22px; font-size: 13px; margin-top: 1px; }
.act { background: var(--act); } .look { background: var(--look); } .fine { background: var(--fine); }
nav { margin: 16px 0 0; font-size: 14px; } nav a { margin-right: 14px; color: #0059a0; }
figure { margin: 12px 0; } img { width: 100%; height: auto; }
.wide { overflow-x: auto; } table { border-collapse: collapse; font-size: 13px; width: 100%; margin: 10px 0; }
th { text-align: left; color: var(--soft); font-weight: 600; border-bottom: 2px solid var(--line); }
td, th { padding: 3px 10px 3px 0; vertical-align: top; } td { border-bottom: 1px solid var(--line); }
.n { text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap; }
details { margin: 8px 0; } summary { cursor: pointer; color: #0059a0; }
"""

MACROS = """
{% macro figure(name) %}
{% if name in images %}
<figure><img src="{{ images[name].uri }}" alt="{{ images[name].alt }}">
{% if images[name].note %}<figcaption>{{ images[name].note }}</figcaption>{% endif %}</figure>
{% endif %}
{% endmacro %}
{% macro tests_table(entries) %}
<div class="wide"><table>
<tr><th>Feature</th><th>Test</th><th class="n">Effect</th><th></th><th class="n">p</th><th class="n">p
(Holm)</th>
<th class="n">p (BH)</th><th class="n">Rows</th></tr>
{% for entry in entries %}
<tr><td>{{ entry.feature }}</td>
{% if entry.test %}
<td>{{ entry.test }}</td><td class="n">{{ "%+.3f" | format(entry.effect or 0) }}</td>
<td>{{ entry.effect_name }}, {{ entry.size }}</td><td class="n">{{ entry.p | p }}</td>
<td class="n">{{ entry.p_holm | p }}</td><td class="n">{{ entry.p_bh | p }}</td><td class="n">{{ entry.rows |
number }}</td>
{% else %}<td colspan="7" class="soft">not tested: {{ entry.why }}</td>{% endif %}</tr>
{% endfor %}
</table></div>
{% endmacro %}
"""

SUMMARY = """
<h1>What the data of {{ found.contract.name }} look like</h1>
<p class="soft">Run {{ found.run_id or "without a name" }}; contract {{ found.contract.name }}
{{ found.contract.version }}, {{ found.contract.problem }}. No model of the run has seen these data yet, and
nobody the labels of its hold-out window.</p>
<ul class="facts">{% for name, value in facts %}<li><span>{{ name }}</span><b>{{ value }}</b></li>{% endfor
%}</ul>
<h2 id="findings" style="border:0;padding:0;margin-top:8px">What was found</h2>
<ul class="findings">
{% for finding in found.findings %}
{% set mark = finding.level | level %}
<li><span class="mark {{ mark[1] }}">{{ mark[0] }}</span><div><b>{{ finding.title }}.</b> {{ finding.text
}}</div></li>
{% endfor %}
</ul>
<p class="soft"><b>!</b> clear up before training, <b>?</b> look at it, <b>✓</b> looked at and fine.</p>
<nav><a href="#time">Time</a><a href="#missing">Missing</a><a href="#label">Label</a><a
href="#alone">Features and
label</a><a href="#columns">Columns</a><a href="#pairs">Pairs</a><a href="#clusters">Groups</a><a
href="#method">How it was made</a></nav>
"""

LABEL = """
{% if found.label %}
<h2 id="label">Label, and are there enough of them?</h2>
{{ figure("label") }}
{{ figure("learning") }}
{% if found.sufficiency.points %}
<p>{{ found.sufficiency.why | sentence }}. {% if found.sufficiency.power_law %}
 Read on by the power law: skill {{ "%.3f" | format(found.sufficiency.expected[0].skill) }} with the labels
there are,
{{ "%.3f" | format(found.sufficiency.expected[1].skill) }} with twice as many,
{{ "%.3f" | format(found.sufficiency.expected[2].skill) }} with ten times.{% endif %}</p>
{% endif %}
{% if found.split_gap %}
<p>Split in time, as the run splits: skill {{ "%.3f" | format(found.split_gap.by_time) }}. Split by chance:
{{ "%.3f" | format(found.split_gap.by_chance) }} (± {{ "%.3f" | format(found.split_gap.by_chance_sd) }}),
from equally many rows
({{ found.split_gap.train_rows | number }} to learn from, {{ found.split_gap.validation_rows | number }} to
score).
The gap is what a careless evaluation would have promised too much.</p>
{% endif %}
<h2 id="alone">Features and label</h2>
{{ figure("alone") }}
<p class="soft">Half of the rows say which label goes with which twentieth of the values (or category), the
other
half is scored by it. Comparable between all kinds of features, unlike the effects of the tests below.</p>
{{ tests_table(tests[:most_tests]) }}
{% if tests | length > most_tests %}<details><summary>{{ tests | length - most_tests }} more</summary>
{{ tests_table(tests[most_tests:]) }}</details>{% endif %}
<p class="soft">p-values are corrected over all features: Holm for the chance of any false finding,
Benjamini-Hochberg (BH)
for the share of false ones. Rows of one day resemble each other, so p flatters: read the effect.</p>
<details><summary>Why these tests</summary><ul>
{% for entry in tests if entry.test %}<li>{{ entry.feature }}: {{ entry.test }}. {{ entry.why | sentence
}}.</li>
{% endfor %}</ul></details>
{% endif %}
"""

COLUMNS = """
<h2 id="columns">Columns</h2>
{{ figure("histograms") }}
{{ figure("boxes") }}
{{ figure("categories") }}
{{ figure("terms") }}
<details><summary>Numbers of each column</summary>
<div class="wide"><table>
<tr><th>Numeric</th><th class="n">missing</th><th class="n">distinct</th><th class="n">mean</th><th
class="n">sd</th>
<th class="n">lowest*</th><th class="n">25 %</th><th class="n">median</th><th class="n">75 %</th><th
class="n">highest*</th>
<th class="n">skewness</th><th class="n">outside fences</th></tr>
{% for name, entry in columns.items() if entry.kind == "numeric" %}
<tr><td>{{ name }}{% if units[name] is defined %}<br><span class="soft">{{ units[name] }}</span>{% endif
%}</td>
<td class="n">{{ missing[name] | share }}</td><td class="n">{{ entry.distinct | number }}</td>
{% if entry.quantiles is defined %}
<td class="n">{{ entry.mean | number }}</td><td class="n">{{ entry.sd | number }}</td><td class="n">{{
entry.low | number }}</td>
<td class="n">{{ entry.quantiles["0.25"] | number }}</td><td class="n">{{ entry.quantiles["0.5"] | number
}}</td>
<td class="n">{{ entry.quantiles["0.75"] | number }}</td><td class="n">{{ entry.high | number }}</td>
<td class="n">{{ entry.skewness | number }}</td><td class="n">{{ entry.outside_fences | share }}</td>
{% else %}<td colspan="9" class="soft">fewer than 5 rows have a value</td>{% endif %}</tr>
{% endfor %}
</table></div>
<p class="soft">* the value that at least 5 rows reach: the very lowest and highest may be one person's.</p>
<div class="wide"><table>
<tr><th>Categorical</th><th class="n">missing</th><th class="n">distinct</th><th class="n">of fewer than 5
rows</th>
<th class="n">entropy, bits</th></tr>
{% for name, entry in columns.items() if entry.kind == "categorical" %}
<tr><td>{{ name }}</td><td class="n">{{ missing[name] | share }}</td>
<td class="n">{{ "more than " if entry.distinct_is_more }}{{ entry.distinct | number }}</td>
<td class="n">{{ entry.rare | number }}</td><td class="n">{{ entry.entropy_bits | number }}</td></tr>
{% endfor %}
{% for name, entry in columns.items() if entry.kind == "text" %}
<tr><td>{{ name }} (text)</td><td class="n">{{ missing[name] | share }}</td><td class="n">{{ entry.distinct |
number }}</td>
<td class="n">–</td><td class="n">{{ entry.terms | number }} terms, {{ entry.words.mean | default(none) |
number }} words</td></tr>
{% endfor %}
</table></div></details>
"""

PAIRS = """
<h2 id="pairs">Pairs of columns</h2>
{{ figure("correlation") }}
{% if pairs %}
<details open><summary>The strongest of {{ found.correlation | length }} pairs</summary>
<div class="wide"><table>
<tr><th>Pair</th><th>Measure</th><th class="n">Value</th><th class="n">Pearson</th><th class="n">p (Holm)</th>
<th class="n">p (BH)</th><th class="n">Rows</th></tr>
{% for pair in pairs %}
<tr><td>{{ pair.a }} and {{ pair.b }}</td><td>{{ pair.measure | replace("_", " ") }}</td>
<td class="n">{{ "%+.3f" | format(pair.value) }}</td>
<td class="n">{{ "%+.3f" | format(pair.pearson) if pair.pearson is defined else "–" }}</td>
<td class="n">{{ pair.p_holm | default(none) | p }}</td><td class="n">{{ pair.p_bh | default(none) | p }}</td>
<td class="n">{{ pair.rows | number }}</td></tr>
{% endfor %}
</table></div></details>
{% endif %}
{{ figure("scatter") }}
"""

CLUSTERS = """
<h2 id="clusters">Groups of rows</h2>
{% if found.clusters %}
{{ figure("clusters") }}
<p>The label takes no part. Best silhouette with {{ found.clusters.k }} clusters
({{ found.clusters.silhouette | number }}: {{ found.clusters.reading }}); the elbow lies at {{
found.clusters.elbow }}.
Ward's tree, cut into as many, agrees with k-means by {{ found.clusters.tree.agreement_with_k_means | number
}}
(adjusted Rand index, 1: the same).</p>
<div class="wide"><table>
<tr><th>Cluster</th><th class="n">Rows</th><th class="n">Share</th><th class="n">Label</th><th>In what it
differs most
(here, against all rows)</th></tr>
{% for entry in found.clusters.clusters %}
<tr><td>{{ entry.cluster }}</td>
{% if entry.rows %}
<td class="n">{{ entry.rows | number }}</td><td class="n">{{ entry.share | share }}</td>
<td class="n">{% if entry.label and entry.label.mean is defined %}{{ entry.label.mean | number }}{% elif
entry.label %}mostly
{{ entry.label.most_frequent }} ({{ entry.label.share | share }}){% else %}–{% endif %}</td>
<td>{% for trait in entry.traits %}{{ trait.trait }} {% if trait.kind == "share" %}{{ trait.here | share }},
{{
trait.overall | share }}{% else %}{{ trait.here | number }}, {{ trait.overall | number }}{% endif %}{{ "; "
if not loop.last }}{% endfor %}</td>
{% else %}<td colspan="4" class="soft">fewer than 5 rows</td>{% endif %}</tr>
{% endfor %}
</table></div>
{{ figure("dendrogram") }}
{{ figure("map") }}
<p>{% for entry in found.clusters.components[:2] %}Component {{ entry.component }} is mostly
{% for loading in entry.loadings[:4] %}{{ loading.column }} ({{ "%+.2f" | format(loading.loading) }}){{ ", "
if not loop.last }}{% endfor %}.
{% endfor %}</p>
{% else %}
<p class="soft">Too few rows, or no column that varies.</p>
{% endif %}
"""

METHOD = """
<h2 id="method">How it was made</h2>
<p>{{ found.sample.counts | sentence }}. All else comes from a sample: {{ found.sample.train.rows | number }}
of
{{ found.sample.train.of | number }} training rows and {{ found.sample.validation.rows | number }} of
{{ found.sample.validation.of | number }} validation rows: {{ found.sample.method }}. Of these, pairs take at
most
{{ found.sample.at_most.pairs | number }} rows, k-means and components {{ found.sample.at_most.clusters |
number }},
the silhouette {{ found.sample.at_most.silhouette | number }}, Ward's tree {{ found.sample.at_most.linkage |
number }}.</p>
<p>Columns and tests look at the training window; the learning curve and the split are scored on the
validation
window; of the hold-out only rows and missing values are counted, for a person who had read its labels would
have
chosen the model by them. Skill is 2 AUC − 1 (with several classes the mean over them), or R² for a
number.</p>
<p>No key is read further than the sample needs it, no row is printed, and nothing of fewer than
{{ found.sample.fewest_rows_told }} rows is told: rare categories are one group, extremes are those that at
least as many
rows reach. Every number of this page is in explore.json beside it.</p>
"""

TEMPLATE = f"""{MACROS}<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>{{{{ found.contract.name }}}}: what the data look like</title><style>{STYLE}</style></head><body>
{SUMMARY}
<h2 id="time">Time</h2>
{{{{ figure("time") }}}}
<h2 id="missing">Missing values</h2>
{{% if "missing" in images %}}{{{{ figure("missing") }}}}{{% else %}}<p>Nothing is missing.</p>{{% endif %}}
{LABEL}{COLUMNS}{PAIRS}{CLUSTERS}{METHOD}
</body></html>
"""
