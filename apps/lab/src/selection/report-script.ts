import { percentChart } from '../percent-chart.js';

/** The script of the page of `selection`: for each task training curves, and accuracy over the length. */
export const selectionScript = `${percentChart}
(() => {
  const data = JSON.parse(document.getElementById('data').textContent);

  // A model has one colour in all charts; dashed is what cannot select, grey is attention.
  const names = [...new Set(data.results.map((r) => r.name))].filter((name) => name !== 'attention');
  const line = (r, points) => {
    const colour = r.name === 'attention' ? '#8c8c84' : palette[names.indexOf(r.name) % palette.length];
    return { label: r.title, data: points, borderColor: colour, backgroundColor: colour, borderWidth: 2, borderDash: r.selects ? [] : [6, 4], pointRadius: 0, tension: 0 };
  };
  for (const task of ['copying', 'induction']) {
    const results = data.results.filter((r) => r.task === task);
    const curves = results.map((r) => line(r, r.curve.map((p) => ({ x: p.step, y: 100 * p.accuracy }))));
    const chance = data.chance[task];
    percentChart(task + '-curves', curves, { chance, title: 'training steps', min: 0, max: data.steps });
    const lengths = data.factors.map((f) => f * data.lengths[task]);
    const reach = results.map((r) => ({ ...line(r, r.accuracy.map((a, i) => ({ x: lengths[i], y: 100 * a }))), pointRadius: 3 }));
    percentChart(task + '-reach', reach, { chance, title: 'tokens in the sequence', min: lengths[0], max: lengths.at(-1), at: lengths });
  }
})();
`;
