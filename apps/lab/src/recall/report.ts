import { clock, count, percent } from '../format.js';
import { escapeHtml, htmlTable, renderPage } from '../page.js';
import type { Table } from '../vanishing/tables.js';
import { recallScript } from './report-script.js';
import { numKeys } from './task.js';
import type { RecallResults } from './types.js';

/** Right answers of each model beside the size of its state. */
export function recallTable({ models, settings: { pairs } }: RecallResults): Table {
  return {
    head: [
      'Associative recall',
      'state, floats',
      'parameters',
      ...pairs.map((N) => `${N} pairs`),
      'loss, nats',
      'seconds',
    ],
    rows: models.map((m) => [
      m.title,
      count(m.stateFloats),
      count(m.params),
      ...m.accuracy.map(percent),
      m.loss.toFixed(2),
      m.seconds.toFixed(0),
    ]),
  };
}

/** The page of `recall`: accuracy over the number of pairs, for each size of memory. */
export function recallReport(results: RecallResults): string {
  const { settings, models, chance, seconds } = results;
  const { pairs, steps, tested } = settings;
  const { head, rows } = recallTable(results);
  return renderPage({
    title: 'Seq lab: associative recall',
    body: `<h1>Associative recall</h1>
<p class="lead">A sequence tells which value belongs to which key, then asks for all of them. Attention looks up what it has kept; a recurrent memory must have put every pair into a state that does not grow. How many fit?</p>

<h2>Right answers over the number of pairs</h2>
<p>N pairs out of ${numKeys} keys, then the N keys in another order. Accuracy on ${count(tested)} sequences that training never saw; guessing a value gives ${percent(chance)}. Solid: the delta rule. Dashed: linear attention. Grey: attention.</p>
<div class="chart tallest"><canvas id="recall" role="img" aria-label="Share of right answers over the number of pairs, for each model"></canvas></div>
${htmlTable(head, rows)}
<ul>
<li>A memory of d × d adds k vᵀ for every pair. Keys that are orthogonal do not disturb each other, and there are no more than d of those; beyond, each reading carries the others as noise. The answer survives as long as the right value is still the largest of its logits, so how many pairs fit grows with the d² floats of the state, and stays below their number.</li>
<li>The delta rule takes away what a key already reads before it writes, so keys that are nearly parallel disturb each other less. Linear attention only adds, and its features (elu + 1) are positive, so no two keys are orthogonal.</li>
<li>Attention keeps all keys and values: its state grows with the sequence.</li>
</ul>
<p>All models have two layers: a convolution over two tokens, so that a value knows its key, and the memory. One head, ${steps} steps of Adam at one learning rate, all numbers of pairs in turn; a model may be short of steps as well as of memory.</p>

<h2>How to repeat it</h2>
<pre><code>${escapeHtml(settings.repeat)}</code></pre>
<p>Everything random comes from seed ${settings.seed}: the same program on the same kind of processor gives the same numbers, times apart. This run took ${clock(seconds)}.</p>
<details><summary>Settings</summary><pre><code>${escapeHtml(JSON.stringify(settings, null, 2))}</code></pre></details>`,
    data: {
      pairs,
      chance,
      models: models.map(({ title, mechanism, size, accuracy }) => ({ title, mechanism, size, accuracy })),
    },
    script: recallScript,
  });
}
