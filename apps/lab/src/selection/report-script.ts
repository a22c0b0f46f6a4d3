/** The script of the page of `selection`: for each task training curves, and accuracy over the length. */
export const selectionScript = `
(() => {
  const data = JSON.parse(document.getElementById('data').textContent);

  // A model has one colour in all charts; dashed is what cannot select, grey is attention.
  const names = [...new Set(data.results.map((r) => r.name))].filter((name) => name !== 'attention');
  const line = (r, points) => {
    const colour = r.name === 'attention' ? '#8c8c84' : palette[names.indexOf(r.name) % palette.length];
    return { label: r.title, data: points, borderColor: colour, backgroundColor: colour, borderWidth: 2, borderDash: r.selects ? [] : [6, 4], pointRadius: 0, tension: 0 };
  };
  const draw = (id, task, lines, x, title) => {
    const ends = [x.min, x.max];
    const floor = { label: 'guessing', data: ends.map((v) => ({ x: v, y: 100 * data.chance[task] })), borderColor: '#9a9a92', backgroundColor: '#9a9a92', borderDash: [2, 3], borderWidth: 1.5, pointRadius: 0 };
    new Chart(document.getElementById(id), {
      type: 'line',
      data: { datasets: [...lines, floor] },
      options: {
        parsing: false,
        interaction: { mode: 'nearest', intersect: false },
        plugins: {
          legend: { labels: { boxHeight: 2 } },
          tooltip: { callbacks: { title: (items) => (items.length ? items[0].parsed.x + ' ' + title : ''), label: (c) => c.dataset.label + ': ' + c.parsed.y.toFixed(1) + ' %' } },
        },
        scales: { x: { ...x, title: { display: true, text: title } }, y: { min: 0, max: 100, title: { display: true, text: 'right answers, %' } } },
      },
    });
  };
  for (const task of ['copying', 'induction']) {
    const results = data.results.filter((r) => r.task === task);
    const curves = results.map((r) => line(r, r.curve.map((p) => ({ x: p.step, y: 100 * p.accuracy }))));
    draw(task + '-curves', task, curves, { type: 'linear', min: 0, max: data.steps }, 'training steps');
    const lengths = data.factors.map((f) => f * data.lengths[task]);
    const reach = results.map((r) => ({ ...line(r, r.accuracy.map((a, i) => ({ x: lengths[i], y: 100 * a }))), pointRadius: 3 }));
    const ticks = { afterBuildTicks: (axis) => { axis.ticks = lengths.map((value) => ({ value })); }, ticks: { callback: (v) => String(v) } };
    draw(task + '-reach', task, reach, { type: 'logarithmic', min: lengths[0], max: lengths[lengths.length - 1], ...ticks }, 'tokens in the sequence');
  }
})();
`;
